import math

from PIL import Image

from pipeline.sweep.event_log import EventLog, EventLogAddress
from pipeline.sweep.history import HistoryReader, TrialHistory
from pipeline.sweep.plan import SweepPlan


def make_plan(**changes) -> SweepPlan:
    content = {
        "stages": ["a", "b"],
        "metric": "b/score",
        "num_trials": 4,
        "space": {"a.x": {"uniform": [0, 1]}},
        "asha": {"budgets": {"a.n": [1, 2]}},
    }
    return SweepPlan.model_validate(content | changes)


def test_half_a_line_is_not_read_and_cut_off_before_the_next(tmp_path):
    log, reader = EventLog(tmp_path), EventLog(tmp_path)
    assert reader.read_new() == []
    assert reader.size == 0
    log.append("start", stage="a", rung=0)
    with log.path.open("a") as file:
        file.write('{"event": "don')
    assert [event["event"] for event in reader.read_new()] == ["start"]
    assert reader.read_new() == []
    log.mend()
    log.append("done", stage="a", rung=0)
    assert [event["event"] for event in reader.read_new()] == ["done"]
    assert reader.position == reader.size


def test_a_tracker_writes_what_a_stage_reports(tmp_path):
    tracker = EventLogAddress(str(tmp_path), "a", 1).open_tracker()
    tracker.log_params({"a": {"x": 1}})
    tracker.set_tags({"protocol.fid": "aa", "host": "h"})
    tracker.log_metrics({"loss": 2, "odd": math.nan}, 100)
    tracker.log_image("samples", Image.new("RGB", (2, 2)), 100)
    history = HistoryReader(tmp_path, make_plan()).read()
    assert history.metrics["a", 1]["loss"] == 2.0
    assert math.isnan(history.metrics["a", 1]["odd"])
    assert history.protocols == {"a": {"protocol.fid": "aa"}}
    picture = history.last_picture()
    assert picture
    assert Image.open(picture).size == (2, 2)


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
    history = TrialHistory(make_plan())
    runs = [("goes on", 0, [1, 2]), ("again", 0, [1, 2, 3]), ("goes on", 1, [3, 4]),
            ("again", 1, [1, 2, 3]), ("again", 2, [1])]  # fmt: skip
    steps: dict[str, list[int]] = {}
    for stage, rung, counts in runs:
        for nimg in counts:
            history.add(metrics(stage, rung, nimg))
            steps.setdefault(stage, []).append(history.step(metrics(stage, rung, nimg)))
    assert steps == {"goes on": [1, 2, 3, 4], "again": [1, 2, 3, 4, 5, 6, 7]}


def test_points_of_a_stage_that_was_resumed_keep_their_steps():
    history = TrialHistory(make_plan())
    for nimg in (1, 2, 3, 2, 3, 4):
        history.add(metrics("a", 0, nimg))
        assert history.step(metrics("a", 0, nimg)) == nimg


def test_the_last_picture_is_the_newest_of_the_last_stage():
    history = TrialHistory(make_plan())
    for stage, key, path in [("a", "samples", "1"), ("b", "grid", "2"), ("b", "orbit", "3"),
                             ("b", "grid", "4")]:  # fmt: skip
        image = {"event": "image", "stage": stage, "rung": 0, "nimg": 1, "key": key, "path": path}
        history.add(image)
    assert str(history.last_picture()) == "4"


def report(history: TrialHistory, stage: str, rung: int, nimg: int, **values: float) -> None:
    history.add(metrics(stage, rung, nimg) | {"metrics": values})


def end(history: TrialHistory, stage: str, rung: int) -> None:
    history.add({"event": "done", "stage": stage, "rung": rung, "time": 0})


def test_a_rung_is_scored_when_all_its_stages_have_ended():
    history = TrialHistory(make_plan())
    for rung, score in enumerate([3.0, 2.0]):
        end(history, "a", rung)
        report(history, "b", rung, 1, score=9.0)
        report(history, "b", rung, 2, score=score)
        assert rung not in history.scores
        end(history, "b", rung)
    assert history.scores == {0: 3.0, 1: 2.0}


def test_a_stage_that_does_not_report_the_metric_scores_nothing():
    history = TrialHistory(make_plan())
    report(history, "b", 0, 1, scor=1.0)
    end(history, "b", 0)
    assert history.scores == {}


def test_a_threshold_is_scored_by_the_first_value_at_or_after_it():
    history = TrialHistory(make_plan(asha={"nimg": [10, 20]}))
    report(history, "a", 0, 10, score=8.0)  # another stage
    for nimg, score in [(9, 5.0), (12, 4.0), (15, 3.0), (12, 7.0), (40, 2.0), (50, 1.0)]:
        report(history, "b", 0, nimg, score=score)
    assert history.scores == {0: 4.0, 1: 2.0}
    end(history, "b", 0)
    assert history.scores == {0: 4.0, 1: 2.0, 2: 1.0}
