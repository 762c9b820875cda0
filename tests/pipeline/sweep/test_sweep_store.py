import math

import optuna
import pytest

from pipeline.sweep.event_log import EventLogAddress
from pipeline.sweep.mistakes import find_mixed
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import (
    STUDY,
    SweepStore,
    check_longer,
    former_sweeps,
    read_plan,
    read_trials,
    resume_store,
    write_plan,
)


def make_plan(**changes) -> SweepPlan:
    content = {
        "stages": ["a", "b"],
        "metric": "b/score",
        "num_trials": 4,
        "space": {"a.x": {"uniform": [0, 1]}},
        "asha": {"budgets": {"a.n": [1, 2]}},
    }
    return SweepPlan.model_validate(content | changes)


LONGER = make_plan(asha={"budgets": {"a.n": [1, 2, 4]}})


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "project"
    (made / "data").mkdir(parents=True)
    return made


@pytest.fixture
def store(root):
    folder = root / "state" / "sweep" / "key"
    write_plan(folder, make_plan())
    made = resume_store(folder)
    assert made.add_trial({"a.x": 0.5}, root) == 0
    return made


def score(store: SweepStore, number: int, *scores: float) -> None:
    for rung, value in enumerate(scores):
        store.report(number, rung, value)


def test_outcomes(store, root):
    for _ in range(3):
        store.add_trial({"a.x": 0.25}, root)
    score(store, 0, 3.0, 2.0)
    store.end(0, "finished")
    score(store, 1, 4.0)
    store.end(1, "stopped")
    store.end(2, "failed", "its process died")
    trials = read_trials(store.folder, store.plan)
    assert [each.outcome for each in trials] == ["finished", "stopped", "failed", "unfinished"]
    assert [each.is_over for each in trials] == [True, True, False, False]
    assert [(each.rung, each.score) for each in trials[:2]] == [(1, 2.0), (0, 4.0)]
    assert math.isnan(trials[3].score)
    assert trials[2].failure == "its process died"
    assert trials[0].values == {"a.x": 0.5}


def test_it_is_a_study_that_optuna_opens(store):
    score(store, 0, 3.0, 2.0)
    store.end(0, "finished")
    backend = optuna.storages.journal.JournalFileBackend(str(store.folder / STUDY))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert study.best_trial.params == {"a.x": 0.5}
    assert study.best_value == 2.0


def test_what_a_killed_process_left_does_not_matter(store, root):
    score(store, 0, 3.0)
    with (store.folder / STUDY).open("a") as file:
        file.write('{"op_code": 4, "wor')
    (store.folder / f"{STUDY}.lock").touch()  # Optuna would wait for it for half a minute
    (store.folder / "trial-001").mkdir()  # made, but not in the study yet
    resumed = resume_store(store.folder)
    assert [each.scores for each in resumed.trials()] == [{0: 3.0}]
    assert resumed.add_trial({"a.x": 0.75}, root) == 1
    assert [each.values["a.x"] for each in resume_store(store.folder).trials()] == [0.5, 0.75]


def test_a_failed_trial_gets_another_chance(store):
    score(store, 0, 3.0)
    store.end(0, "failed", "its process died")
    trial = resume_store(store.folder).trial(0)
    assert (trial.outcome, trial.failure, trial.scores) == ("unfinished", None, {0: 3.0})


def test_finished_trials_go_on_under_a_longer_plan_and_stopped_ones_do_not(store, root):
    store.add_trial({"a.x": 0.25}, root)
    score(store, 0, 3.0, 2.0)
    store.end(0, "finished")
    score(store, 1, 4.0)
    store.end(1, "stopped")
    check_longer(store.folder, LONGER)
    write_plan(store.folder, LONGER)
    assert read_plan(store.folder).num_rungs == 3
    longer = resume_store(store.folder)
    assert [each.outcome for each in longer.trials()] == ["unfinished", "stopped"]
    longer.report(0, 2, 1.5)
    longer.end(0, "finished")
    assert longer.trial(0).outcome == "finished"


def test_budgets_may_only_be_added(store):
    with pytest.raises(ValueError, match=r"must begin with \[1, 2\].*is \[1, 3\]"):
        check_longer(store.folder, make_plan(asha={"budgets": {"a.n": [1, 3]}}))
    assert read_plan(store.folder) == make_plan()


def test_a_list_grows_at_its_end_only(tmp_path, root):
    def begin(*values) -> None:
        trials = [{"a.x": value} for value in values]
        changes = {"search": "list", "num_trials": None, "space": {}, "asha": None}
        plan = make_plan(**changes, trials=trials)
        check_longer(tmp_path, plan)
        write_plan(tmp_path, plan)
        store = resume_store(tmp_path)
        for value in values[len(store.trials()) :]:
            store.add_trial({"a.x": value}, root)
        assert [each.values["a.x"] for each in store.trials()] == list(values)

    begin(1, [2])
    begin(1, [2], 3)
    begin(1, [2])
    with pytest.raises(ValueError, match=r"trial 2 of trials must stay"):
        begin(1, [2], 4)
    begin(1)
    with pytest.raises(ValueError, match=r"trial 0 of trials must stay \{'a.x': 1\}, .* is .*2"):
        begin(2, 1)


def test_a_sweep_of_a_former_version_stays_and_is_named(tmp_path):
    former = tmp_path / "key" / "trial-000" / "journal.jsonl"
    former.parent.mkdir(parents=True)
    former.write_text("{}")
    assert former_sweeps(tmp_path) == [tmp_path / "key"]
    with pytest.raises(ValueError, match=r"holds a sweep of a former version.*move it elsewhere"):
        check_longer(tmp_path / "key", make_plan())
    assert former.exists()


def test_trials_that_were_measured_differently_are_not_ranked_together(store, root):
    for number, digest in enumerate(["aa", "aa", "bb"]):
        if number:
            store.add_trial({"a.x": 0.5}, root)
        address = EventLogAddress(str(store.trial_folder(number)), "b", 0)
        address.open_tracker().set_tags({"protocol.3d/swd": digest, "host": str(number)})
        if number < 2:
            assert find_mixed(store.trials(), number) is None
            store.report(number, 0, 1.0)
    mistake = find_mixed(store.trials(), 2)
    assert mistake
    assert "protocol.3d/swd of b is bb in trial 2 and aa in trial 0" in mistake
