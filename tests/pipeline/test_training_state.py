"""Which folder of states a training goes on in."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state_options import (
    ANEW,
    CONTINUE,
    StateOptions,
    explain_new_state,
    find_continued,
    read_options,
)
from pipeline.training_state import (
    StateFolder,
    TrainingIdentity,
    begin_folder,
    choose_folder,
    copy_state,
    find_folders,
)

IDENTITY = TrainingIdentity(
    {"lr": 0.1, "loop": {"batch": 8}}, ["dataset"], {"mimic3d.loss": "1", "mimic3d.layers": "2"}
)


def advance(folder: StateFolder, *nimg: int, identity=IDENTITY, anew=None) -> StateFolder:
    begin_folder(folder, identity, 100, anew)
    for number in nimg:
        (folder.path / f"nimg-{number:09d}").mkdir()
        (folder.path / f"nimg-{number:09d}" / "weights").write_text(str(number))
    return folder


def chosen(root: Path, total_nimg: int, anew: str | None = None) -> str:
    name = choose_folder(root, "toy", IDENTITY.key, total_nimg, anew).name
    return name.replace(IDENTITY.key, "key")


def state(root: Path, name: str = "key") -> StateFolder:
    return StateFolder(root / "state" / "toy" / name.replace("key", IDENTITY.key))


def test_the_same_key_leads_to_the_same_folder_until_its_budget_and_beyond(tmp_path):
    assert chosen(tmp_path, 50) == "key"
    advance(state(tmp_path), 20, 40).mark_finished(40)
    assert chosen(tmp_path, 40) == chosen(tmp_path, 50) == "key"


def test_a_smaller_budget_begins_beside_and_both_are_found_again(tmp_path):
    advance(state(tmp_path), 40)
    assert chosen(tmp_path, 30) == "key-2"
    advance(state(tmp_path, "key-2"), 30)
    advance(state(tmp_path, "key-10"), 10)
    assert [chosen(tmp_path, total) for total in (20, 30, 39, 40, 50)] == [
        "key-10", "key-2", "key-2", "key", "key",
    ]  # fmt: skip
    assert chosen(tmp_path, 5) == "key-11"


def test_anew_is_a_wish_that_holds_for_restarts_and_for_later_runs(tmp_path):
    advance(state(tmp_path), 40)
    assert chosen(tmp_path, 40, "a wish") == "key-2"
    advance(state(tmp_path, "key-2"), 10, anew="a wish")
    assert chosen(tmp_path, 40, "a wish") == "key-2"
    assert chosen(tmp_path, 40) == "key-2"  # not the older one, although that is finished
    assert chosen(tmp_path, 40, "another") == "key-3"


@given(reached=st.lists(st.integers(0, 9), max_size=4), total=st.integers(0, 9))
def test_nothing_is_trained_twice_and_no_state_is_beyond_the_budget(
    tmp_path_factory, reached, total
):
    root = tmp_path_factory.mktemp("root")
    for number, nimg in enumerate(reached, 1):
        advance(state(root, "key" if number == 1 else f"key-{number}"), *range(nimg + 1))
    folder = choose_folder(root, "toy", IDENTITY.key, total)
    fits = [nimg for nimg in reached if nimg <= total]
    assert folder.nimg == max(fits, default=0)
    assert folder.path.exists() == bool(fits)


def test_the_key_is_of_parameters_inputs_and_code():
    others = [
        replace(IDENTITY, params={"lr": 0.2}),
        replace(IDENTITY, inputs=["other"]),
        replace(IDENTITY, code={"mimic3d.loss": "1", "mimic3d.layers": "3"}),
    ]
    assert len({each.key for each in [IDENTITY, *others]}) == 4
    assert others[2].key_without_code == IDENTITY.key_without_code


def test_what_was_noted_is_read_again(tmp_path):
    folder = advance(state(tmp_path), 20)
    assert folder.identity == IDENTITY
    assert (folder.nimg, folder.finished_nimg) == (20, None)
    folder.mark_finished(20)
    assert folder.finished_nimg == 20
    assert find_folders(tmp_path, "toy") == [folder]


def test_a_copy_goes_on_from_the_newest_state_and_leaves_the_old_one(tmp_path):
    old = advance(state(tmp_path, "old"), 20, 40)
    (old.path / "samples").mkdir()
    (old.path / "samples" / "picture").touch()
    old.mark_finished(40)
    before = sorted(old.path.rglob("*"))
    new = state(tmp_path)
    copy_state(old, new)
    begin_folder(new, IDENTITY, 100)
    assert sorted(old.path.rglob("*")) == before
    assert sorted(path.name for path in new.path.iterdir()) == [
        "nimg-000000040", "samples", "training.json",
    ]  # fmt: skip
    assert new.continued_from == ["old at 40"]
    copy_state(new, state(tmp_path, "newer"))
    assert state(tmp_path, "newer").continued_from == ["old at 40", f"{IDENTITY.key} at 40"]


def test_changed_code_is_named_once_and_a_changed_parameter_is_not(tmp_path):
    advance(state(tmp_path), 5000)
    code = replace(IDENTITY, code={"mimic3d.loss": "1", "mimic3d.layers": "3"})
    notice = explain_new_state(tmp_path, "toy", code)
    assert notice is not None
    assert notice.startswith(f"toy: mimic3d.layers changed since state/toy/{IDENTITY.key} (5 kimg)")
    assert f"--continue-state {IDENTITY.key} " in notice
    assert len(notice.splitlines()) == 1
    assert explain_new_state(tmp_path, "toy", replace(code, params={"lr": 0.2})) is None
    assert explain_new_state(tmp_path, "toy", replace(code, inputs=["other"])) is None
    new_parameter = replace(code, params={**IDENTITY.params, "new": 1})
    assert explain_new_state(tmp_path, "toy", new_parameter) == notice


def test_a_state_of_before_code_counted_is_named(tmp_path):
    assert explain_new_state(tmp_path, "toy", IDENTITY) is None
    former = tmp_path / "state" / "toy" / IDENTITY.key_without_code
    (former / "nimg-000005000").mkdir(parents=True)
    notice = explain_new_state(tmp_path, "toy", IDENTITY)
    assert notice is not None
    assert "nobody noted the code of" in notice
    assert f"--continue-state {former.name} " in notice


def test_options_come_from_the_environment(tmp_path):
    assert read_options({}) == read_options({ANEW: "0", CONTINUE: ""}) == StateOptions()
    assert read_options({ANEW: "1"}) == StateOptions(anew="1")
    with pytest.raises(ValueError, match=r"either begins anew or continues state ab; leave out"):
        read_options({ANEW: "1", CONTINUE: "ab"})


def test_a_state_to_continue_must_be_there(tmp_path):
    advance(state(tmp_path), 5)
    name = IDENTITY.key
    assert find_continued(StateOptions(), tmp_path, "toy") is None
    assert find_continued(StateOptions(continued=name), tmp_path, "toy") == state(tmp_path)
    assert find_continued(StateOptions(continued=name), tmp_path, "other") is None
    with pytest.raises(ValueError, match=rf"below state/toy, is ab; there are {name}$"):
        find_continued(StateOptions(continued="ab"), tmp_path, "toy")
    with pytest.raises(ValueError, match=r"below state/other, is ab; there is none$"):
        find_continued(StateOptions(continued="ab"), tmp_path, "other")


def test_a_folder_is_used_by_one_process_at_a_time(tmp_path):
    folder = advance(state(tmp_path), 5)
    with folder.locked(tmp_path):
        with pytest.raises(ValueError, match=r"must be used by one process at a time, .* in use"):
            folder.locked(tmp_path, seconds=0).__enter__()
    with folder.locked(tmp_path, seconds=0):
        pass
