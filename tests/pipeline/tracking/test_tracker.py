import io
import json
import math
import sys

import pytest
from PIL import Image

from pipeline.tracking import mlflow_tracker
from pipeline.tracking.mlflow_runs import RunAddress, close_run, connect, flatten, open_run
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.tracker import PROGRESS, ProgressBar, RelayTracker, SilentTracker, Tracker


def test_progress_without_a_terminal_is_a_plain_line_now_and_then(capsys):
    bar = ProgressBar(plain_seconds=1000)
    for done in range(5):
        bar.show(done, 4, "work")
    assert capsys.readouterr().err.splitlines() == ["work: 0 of 4", "work: 4 of 4"]


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    tracker = Tracker()
    tracker.progress(1, 4, "work")
    tracker.progress(4, 4, "work")
    assert "work: " in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_relayed_progress_is_one_marked_line_of_json(capsys):
    RelayTracker().progress(1, 2, 'say "hello"')
    marker, _, record = capsys.readouterr().out.strip().partition(" ")
    assert marker == PROGRESS
    assert json.loads(record) == {"done": 1, "total": 2, "text": 'say "hello"'}


def test_relayed_progress_is_rare_but_its_end_is_never_lost(capsys):
    tracker = RelayTracker()
    for done in range(1, 1001):
        tracker.progress(done, 1000, "work")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 20
    assert '"done": 1000' in lines[-1]


def test_silent_tracker_is_silent(capsys):
    SilentTracker().progress(1, 1, "work")
    assert capsys.readouterr() == ("", "")


def test_groups_become_dotted_keys():
    groups = {"a": {"b": 1, "c": {"d": [2]}}, "e": {}}
    assert list(flatten(groups)) == [("a.b", 1), ("a.c.d", [2]), ("e", {})]


def test_a_dead_server_is_told_once_and_stops_nothing(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = MlflowTracker(RunAddress("http://127.0.0.1:9", "run", "parent", "toy"))
    tracker.log_metrics({"loss": 1.0}, 1)
    tracker.log_metrics({"loss": 2.0}, 2)
    tracker.log_image("x", Image.new("RGB", (2, 2)), 2)
    assert capsys.readouterr().err.count("MLflow cannot be reached") == 1
    assert [point.step for point in tracker._pending] == [1, 2]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("mlflow")
    return f"sqlite:///{root}/mlflow.db", root / "mlartifacts"


def open_toy(store, fingerprint: str = "fp", reproduction: str = "repro") -> RunAddress:
    return open_run(*store, "toy", reproduction, fingerprint, {"git.commit": "abc"})


@pytest.mark.slow
def test_stages_of_a_reproduction_lie_below_one_run(store):
    one, two = open_toy(store, "fp1"), open_toy(store, "fp2")
    assert one.parent_id == two.parent_id
    assert one.run_id != two.run_id
    assert open_toy(store, "fp1", "another").parent_id != one.parent_id
    run = connect(store[0]).get_run(one.run_id)
    assert run.info.run_name == "toy"
    assert run.data.tags["mlflow.parentRunId"] == one.parent_id
    assert run.data.tags["git.commit"] == "abc"


@pytest.mark.slow
def test_unfinished_runs_are_opened_again_and_finished_ones_are_not(store):
    first = open_toy(store, "resumed")
    close_run(first, "KILLED")
    assert open_toy(store, "resumed") == first
    close_run(first, "FINISHED")
    assert open_toy(store, "resumed").run_id != first.run_id


@pytest.mark.slow
def test_a_resumed_run_has_every_point_once(store):
    address = open_toy(store, "points")
    tracker = MlflowTracker(address)
    for nimg in (0, 100, 200):
        tracker.log_metrics({"loss/G": nimg / 100}, nimg)
        tracker.log_image("samples", Image.new("RGB", (4, 4)), nimg)
    resumed = MlflowTracker(address)
    for nimg in (100, 200, 300):
        resumed.log_metrics({"loss/G": nimg / 100, "new": math.nan}, nimg)
        resumed.log_image("samples", Image.new("RGB", (4, 4)), nimg)
    history = tracker.client.get_metric_history(address.run_id, "loss/G")
    assert [(point.step, point.value) for point in history] == [
        (0, 0),
        (100, 1),
        (200, 2),
        (300, 3),
    ]
    images = tracker.client.list_artifacts(address.run_id, "images")
    assert len([image for image in images if image.path.endswith(".png")]) == 4


@pytest.mark.slow
def test_metrics_wait_while_the_store_is_away(store, monkeypatch, capsys):
    address = open_toy(store, "away")
    tracker = MlflowTracker(address)
    monkeypatch.setattr(mlflow_tracker, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(tracker, "_client", connect("http://127.0.0.1:9"))
    tracker.log_metrics({"loss": 1.0}, 1)
    assert "MLflow cannot be reached" in capsys.readouterr().err
    monkeypatch.setattr(tracker, "_client", connect(store[0]))
    tracker.log_metrics({"loss": 2.0}, 2)
    history = tracker.client.get_metric_history(address.run_id, "loss")
    assert [point.step for point in history] == [1, 2]


@pytest.mark.slow
def test_snapshots_become_one_model_version_per_run(store, tmp_path):
    (tmp_path / "weights").write_text("1")
    for fingerprint in ("snapshot1", "snapshot2"):
        tracker = MlflowTracker(open_toy(store, fingerprint))
        tracker.log_params({"toy": {"a": {"b": 1}}})
        tracker.log_snapshot(tmp_path, 100)
        tracker.log_snapshot(tmp_path, 200)
    versions = tracker.client.search_model_versions("name = 'mimic3d-toy'")
    assert len(versions) == 2
    current = tracker.client.get_model_version_by_alias("mimic3d-toy", "current")
    assert current.run_id == tracker.address.run_id
    assert current.tags["nimg"] == "200"
    artifacts = tracker.client.list_artifacts(current.run_id, "snapshot")
    assert [artifact.path for artifact in artifacts] == ["snapshot/weights"]
    assert tracker.client.get_run(current.run_id).data.params == {"toy.a.b": "1"}


def test_plain_lines_tell_speed_and_time_left_of_this_run(monkeypatch, capsys):
    """What a run found done does not count as its speed."""
    clock = iter([0.0, 10.0, 20.0, 30.0])
    monkeypatch.setattr("pipeline.tracking.tracker.time.monotonic", lambda: next(clock))
    bar = ProgressBar(plain_seconds=0)
    for done in (1000, 1040, 1080):
        bar.show(done, 70000, "photos")
    bar.show(70000, 70000, "photos")
    assert capsys.readouterr().err.splitlines() == [
        "photos: 1000 of 70000",
        "photos: 1040 of 70000, 4/s, 4:47:20 left",
        "photos: 1080 of 70000, 4/s, 4:47:10 left",
        "photos: 70000 of 70000",
    ]
