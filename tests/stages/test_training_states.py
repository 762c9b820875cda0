"""The same is not trained twice; other code begins a state beside, or continues one if asked."""

import shutil
from pathlib import Path

import pytest
from project_folder import change, digests

import stages.training_states
from mimic3d.networks.snapshot import load_meta
from pipeline.stage import hash_code, load_config, load_stage, run_stage
from pipeline.state_options import ANEW, CONTINUE
from pipeline.tracking.tracker import SilentTracker
from pipeline.training_state import StateFolder, find_folders

pytestmark = pytest.mark.slow


class Recorder(SilentTracker):
    """Keeps how often progress was shown, and the tags."""

    def __init__(self):
        super().__init__()
        self.steps, self.tags = [], {}

    def progress(self, done, total, text):
        self.steps.append(done)

    def set_tags(self, tags):
        self.tags |= tags


def train(root: Path, stage: str = "pretrain") -> Recorder:
    recorder = Recorder()
    run_stage(stage, root, recorder)
    return recorder


def names(root: Path) -> set[str]:
    return {folder.name for folder in find_folders(root, "pretrain")}


def results(root: Path) -> dict[str, str]:
    return digests(root / "runs") | digests(root / "reports")


@pytest.fixture(scope="module")
def trained_project(prepared_project, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained") / "project"
    shutil.copytree(prepared_project, root)
    train(root)
    return root


@pytest.fixture
def trained(trained_project, tmp_path):
    """A project where stage 1 was trained."""
    return shutil.copytree(trained_project, tmp_path / "project")


@pytest.fixture
def new_code(monkeypatch):
    """As if a layer had been changed."""

    def change_code() -> None:
        code = hash_code("pretrain") | {"mimic3d.networks.layers": "other"}
        monkeypatch.setattr(stages.training_states, "hash_code", lambda stage: code)

    return change_code


def test_the_same_is_not_trained_twice_and_a_larger_budget_continues(trained, capsys):
    before, folders = results(trained), names(trained)
    shutil.rmtree(trained / "runs")  # as DVC does before a stage
    capsys.readouterr()
    assert train(trained).steps == []
    assert results(trained) == before
    assert "has all its 0.064 kimg; its results are published again" in capsys.readouterr().out
    change(trained, "pretrain.loop.total_kimg", 0.08)
    assert min(train(trained).steps) > 0.064
    assert load_meta(trained / "runs/pretrain/snapshot").nimg == 80
    assert names(trained) == folders


def test_a_smaller_budget_leaves_what_is_there(trained):
    (old,) = find_folders(trained, "pretrain")
    change(trained, "pretrain.loop.total_kimg", 0.032)
    train(trained)
    assert load_meta(trained / "runs/pretrain/snapshot").nimg == 32
    assert old.nimg == 64
    change(trained, "pretrain.loop.total_kimg", 0.064)
    assert train(trained).steps == []


def test_anew_trains_once_more_beside_it(trained, monkeypatch):
    (old,), before = find_folders(trained, "pretrain"), results(trained)
    monkeypatch.setenv(ANEW, "a wish")
    assert train(trained).steps
    assert names(trained) == {old.name, f"{old.name}-2"}
    assert results(trained) == before
    assert train(trained).steps == []  # a restart of the same command


def test_changed_code_begins_beside_and_says_so(trained, new_code, capsys):
    (old,) = find_folders(trained, "pretrain")
    new_code()
    capsys.readouterr()
    assert train(trained).steps
    lines = capsys.readouterr().out.splitlines()
    (said,) = [line for line in lines if "no agreement of views" not in line]
    assert said.startswith("pretrain: mimic3d.networks.layers changed since state/pretrain/")
    assert f"--continue-state {old.name} " in said
    assert old.nimg == 64
    assert len(names(trained)) == 2
    train(trained)
    assert "changed since" not in capsys.readouterr().out


def test_a_run_continues_over_a_change_of_code_and_its_snapshot_tells(
    trained, new_code, monkeypatch
):
    (old,), files = find_folders(trained, "pretrain"), digests(trained / "state" / "pretrain")
    new_code()
    monkeypatch.setenv(CONTINUE, old.name)
    change(trained, "pretrain.loop.total_kimg", 0.08)
    recorder = train(trained)
    assert min(recorder.steps) > 0.064
    assert recorder.tags["continued_from"] == f"{old.name} at 64"
    meta = load_meta(trained / "runs/pretrain/snapshot")
    assert (meta.nimg, meta.continued_from) == (80, (f"{old.name} at 64",))
    assert files.items() <= digests(trained / "state" / "pretrain").items()
    again = train(trained)  # the same command once more, and one without the option
    monkeypatch.delenv(CONTINUE)
    assert again.steps == train(trained).steps == []
    assert load_meta(trained / "runs/pretrain/snapshot").continued_from
    assert len(names(trained)) == 2


def test_an_ordinary_snapshot_does_not_mention_it(trained):
    assert "continued" not in (trained / "runs/pretrain/snapshot/snapshot.json").read_text()


def test_what_cannot_be_continued_is_refused(trained, new_code, monkeypatch):
    (old,) = find_folders(trained, "pretrain")
    new_code()
    monkeypatch.setenv(CONTINUE, "0123456789ab")
    with pytest.raises(ValueError, match=r"is 0123456789ab; there are \w+$"):
        train(trained)
    monkeypatch.setenv(CONTINUE, old.name)
    change(trained, "pretrain.loop.total_kimg", 0.032)
    with pytest.raises(ValueError, match=r"at least the 0.064 kimg of state .* is 0.032; raise it"):
        train(trained)
    monkeypatch.delenv(CONTINUE)
    train(trained)
    change(trained, "pretrain.loop.total_kimg", 0.08)
    monkeypatch.setenv(CONTINUE, old.name)
    with pytest.raises(ValueError, match=r"have a state already, .*; leave out --continue-state"):
        train(trained)


def test_a_state_of_before_code_counted_can_be_continued(trained, monkeypatch, capsys):
    (folder,) = find_folders(trained, "pretrain")
    assert folder.identity is not None
    former = StateFolder(folder.path.with_name(folder.identity.key_without_code))
    folder.path.rename(former.path)
    (former.path / "training.json").unlink()
    change(trained, "pretrain.loop.total_kimg", 0.08)
    monkeypatch.setenv(CONTINUE, former.name)
    assert min(train(trained).steps) > 0.064
    shutil.rmtree(folder.path)
    monkeypatch.delenv(CONTINUE)
    capsys.readouterr()
    assert min(train(trained).steps) < 0.064
    assert f"nobody noted the code of state/pretrain/{former.name} " in capsys.readouterr().out


def test_inputs_name_a_state_too(trained):
    stage = load_stage("imitate")
    cfg = load_config("imitate", trained)
    before = stage.identify(cfg, trained)
    path = trained / "runs/pretrain/snapshot/snapshot.json"
    path.write_text(path.read_text() + " ")
    after = stage.identify(cfg, trained)
    assert (before.params, before.code) == (after.params, after.code)
    assert before.key != after.key
