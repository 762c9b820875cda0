import json
import math

import pytest
from PIL import Image

from pipeline.sweep.history import History
from pipeline.sweep.journal import Journal, JournalAddress
from pipeline.sweep.ledger import Ledger, load_ledger
from pipeline.sweep.plan import Plan


def make_plan(**changes) -> Plan:
    content = {
        "stages": ["a", "b"],
        "metric": "b/score",
        "num_trials": 4,
        "space": {"a.x": {"uniform": [0, 1]}},
        "asha": {"budgets": {"a.n": [1, 2]}},
    }
    return Plan.model_validate(content | changes)


@pytest.fixture
def ledger(tmp_path):
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    made = Ledger(root / "state" / "sweep" / "key", make_plan())
    made.begin()
    made.add_trial(0, {"a.x": 0.5}, root)
    return made


def summary(journal: Journal) -> History:
    history = History()
    history.add_all(Journal(journal.path.parent).read_on())
    return history


def test_half_a_line_is_not_read_and_cut_off_before_the_next(tmp_path):
    journal, reader = Journal(tmp_path), Journal(tmp_path)
    assert reader.read_on() == []
    journal.append("start", stage="a", rung=0)
    with journal.path.open("a") as file:
        file.write('{"event": "sco')
    assert [entry["event"] for entry in reader.read_on()] == ["start"]
    assert reader.read_on() == []
    journal.mend()
    journal.append("done", stage="a", rung=0)
    assert [entry["event"] for entry in reader.read_on()] == ["done"]
    assert reader.position == journal.path.stat().st_size


def test_a_tracker_writes_what_a_stage_reports(tmp_path):
    heard = []
    address = JournalAddress(str(tmp_path), "a", 1)
    address.open_tracker().log_params({"a": {"x": 1}})
    tracker = type(address.open_tracker())(address, lambda metrics, nimg: heard.append(nimg))
    tracker.log_metrics({"loss": 2, "odd": math.nan}, 100)
    tracker.log_image("samples", Image.new("RGB", (2, 2)), 100)
    history = summary(Journal(tmp_path))
    assert history.metrics["a", 1]["loss"] == 2.0
    assert math.isnan(history.metrics["a", 1]["odd"])
    assert heard == [100]
    picture = history.best_picture()
    assert picture
    assert Image.open(picture).size == (2, 2)


def test_the_listener_may_end_the_trial_after_the_metrics_are_kept(tmp_path):
    def stop(metrics, nimg):
        raise SystemExit

    tracker = type(JournalAddress(str(tmp_path), "a", 0).open_tracker())
    with pytest.raises(SystemExit):
        tracker(JournalAddress(str(tmp_path), "a", 0), stop).log_metrics({"loss": 1}, 10)
    assert summary(Journal(tmp_path)).metrics["a", 0] == {"loss": 1.0}


def metrics(stage: str, rung: int, nimg: int) -> dict:
    return {
        "event": "metrics",
        "stage": stage,
        "rung": rung,
        "nimg": nimg,
        "metrics": {},
        "time": 0,
    }


def test_steps_never_fall_whether_a_stage_goes_on_or_starts_again():
    history = History()
    runs = [("goes on", 0, [1, 2]), ("again", 0, [1, 2, 3]), ("goes on", 1, [3, 4]),
            ("again", 1, [1, 2, 3]), ("again", 2, [1])]  # fmt: skip
    steps: dict[str, list[int]] = {}
    for stage, rung, counts in runs:
        for nimg in counts:
            history.add(metrics(stage, rung, nimg))
            steps.setdefault(stage, []).append(history.step(metrics(stage, rung, nimg)))
    assert steps == {"goes on": [1, 2, 3, 4], "again": [1, 2, 3, 4, 5, 6, 7]}


def test_points_of_a_stage_that_was_resumed_keep_their_steps():
    history = History()
    for nimg in (1, 2, 3, 2, 3, 4):
        history.add(metrics("a", 0, nimg))
        assert history.step(metrics("a", 0, nimg)) == nimg


def test_the_best_picture_is_the_newest_of_the_last_stage():
    history = History()
    for stage, key, path in [("a", "samples", "1"), ("b", "grid", "2"), ("b", "orbit", "3"),
                             ("b", "grid", "4")]:  # fmt: skip
        image = {"event": "image", "stage": stage, "rung": 0, "nimg": 1, "key": key, "path": path}
        history.add(image)
    assert str(history.best_picture()) == "4"


def test_outcomes(ledger):
    journal = Journal(ledger.trial_folder(0))
    assert ledger.trial(0).outcome == "unfinished"
    journal.append("score", rung=0, value=1.0)
    assert ledger.trial(0).outcome == "unfinished"
    ledger.stop(0, 0)
    assert ledger.trial(0).outcome == "stopped"
    (ledger.trial_folder(0) / "stopped.json").unlink()
    journal.append("score", rung=1, value=0.5)
    assert ledger.trial(0).outcome == "finished"
    assert ledger.trial(0).is_over


def test_a_failed_trial_gets_another_chance(ledger):
    ledger.fail(0, "its process died")
    trial = ledger.trial(0)
    assert (trial.outcome, trial.history.failure) == ("failed", "its process died")
    assert not trial.is_over
    Journal(trial.folder).append("start", stage="a", rung=0)
    assert ledger.trial(0).outcome == "unfinished"


def test_finished_trials_go_on_under_a_longer_plan(ledger):
    journal = Journal(ledger.trial_folder(0))
    for rung in (0, 1):
        journal.append("score", rung=rung, value=1.0)
    assert ledger.trial(0).outcome == "finished"
    longer = Ledger(ledger.folder, make_plan(asha={"budgets": {"a.n": [1, 2, 4]}}))
    longer.begin()
    assert load_ledger(ledger.folder).plan.num_rungs == 3
    assert longer.trial(0).outcome == "unfinished"


def test_budgets_may_only_be_added(ledger):
    other = Ledger(ledger.folder, make_plan(asha={"budgets": {"a.n": [1, 3]}}))
    with pytest.raises(ValueError, match=r"must begin with \[1, 2\].*is \[1, 3\]"):
        other.begin()
    assert load_ledger(ledger.folder).plan == make_plan()


def test_a_half_made_trial_is_no_trial(ledger):
    (ledger.folder / "trial-001").mkdir()
    assert ledger.numbers() == [0]
    assert json.loads((ledger.trial_folder(0) / "trial.json").read_text())["values"] == {"a.x": 0.5}


def test_a_list_grows_at_its_end_only(tmp_path):
    def begin(*values) -> None:
        trials = [{"a.x": value} for value in values]
        changes = {"search": "list", "num_trials": None, "space": {}, "asha": None}
        Ledger(tmp_path, make_plan(**changes, trials=trials)).begin()

    begin(1, 2)
    begin(1, 2, 3)
    begin(1)
    with pytest.raises(ValueError, match=r"trial 0 of trials must stay \{'a.x': 1\}, .* is .*2"):
        begin(2, 1)


def test_trials_that_were_measured_differently_are_not_ranked_together(ledger):
    root = ledger.folder.parents[2]
    for number, digest in enumerate(["aa", "aa", "bb"]):
        folder = ledger.add_trial(number, {"a.x": 0.5}, root)
        address = JournalAddress(str(folder), "b", 0)
        address.open_tracker().set_tags({"protocol.3d/swd": digest, "host": str(number)})
        if number < 2:
            ledger.refuse_mixed(number, "b")
            Journal(folder).append("score", rung=0, value=1.0)
    with pytest.raises(
        ValueError, match=r"protocol\.3d/swd of b is bb in trial 2 and aa in trial 0"
    ):
        ledger.refuse_mixed(2, "b")
