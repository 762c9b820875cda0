import pytest

from pipeline.tracking.mlflow_runs import close_run, connect, open_run
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.reproduction import MAX_NAME, NOTE, describe_changes, name_reproduction


def test_changes_are_what_was_set_otherwise_or_left_out():
    before, now = {"a.b": 1, "c": [1, 2], "gone": 0}, {"a.b": 2, "c": [1, 2], "new.key": [3, 4]}
    assert describe_changes(before, now) == "a.b=2, new.key=[3, 4], gone left out"
    assert describe_changes(now, now) == ""


def test_a_name_says_what_was_changed_by_short_keys(monkeypatch):
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    changes = "pretrain.adversarial.r1_gamma=0.5, a.b.layers=[3, 4], c.seed left out"
    short = "r1_gamma=0.5, layers=[3, 4], seed left out"
    assert name_reproduction("0123456789ab", changes) == short
    assert name_reproduction("0123456789ab", "") == "reproduction 0123456"
    monkeypatch.setenv("DVC_EXP_NAME", "ochre-hilt")
    assert name_reproduction("0123456789ab", changes) == f"ochre-hilt: {short}"
    assert name_reproduction("0123456789ab", "") == "ochre-hilt"
    assert len(name_reproduction("0123456789ab", f"a.b={'x' * 500}")) == MAX_NAME


@pytest.mark.slow
def test_a_reproduction_has_headlines_choices_state_and_links(tmp_path):
    uri, changes = f"sqlite:///{tmp_path}/mlflow.db", {"changes": "toy.seed=3"}
    address = open_run(uri, tmp_path / "artifacts", "toy", "key", "fingerprint", changes)
    client, tracker = connect(uri), MlflowTracker(address)
    tracker.set_headlines(["val/*/fd_*"])
    tracker.log_choices({"toy": {"seed": 3}})
    tracker.log_choices({"toy": {"seed": 4}})  # what was logged first stays, and nothing stops
    for nimg in (0, 1000, 2000):
        tracker.log_metrics({"val/2d/fd_x": nimg / 10, "val/2d/swd": 1.0}, nimg)
    parent = client.get_run(address.parent_id)
    assert parent.info.run_name == "seed=3"
    assert parent.data.params == {"toy.seed": "3"}
    assert parent.data.metrics == {"toy/val/2d/fd_x": 200, "toy/kimg": 2}
    assert parent.data.tags["state"] == "toy RUNNING"
    history = client.get_metric_history(address.parent_id, "toy/val/2d/fd_x")
    assert [point.step for point in history] == [0, 1000, 2000]

    (tmp_path / "evaluate").mkdir()
    (tmp_path / "evaluate" / "report.html").write_text("page")
    tracker.log_artifact(tmp_path / "evaluate", "evaluate")
    tracker.log_snapshot(tmp_path / "evaluate", 2000)
    close_run(address, "FINISHED")
    tags = client.get_run(address.parent_id).data.tags
    place = f"#/experiments/{parent.info.experiment_id}/runs/{address.run_id}"
    assert tags["state"] == "toy FINISHED"
    assert f"[toy]({place}) | FINISHED" in tags[NOTE]
    assert f"[report.html]({place}/artifacts/evaluate/report.html)" in tags[NOTE]
    assert f"[snapshot]({place}/artifacts/snapshot)" in tags[NOTE]
    client.set_tag(address.parent_id, NOTE, "a person's words")
    close_run(address, "FINISHED")
    assert client.get_run(address.parent_id).data.tags[NOTE] == "a person's words"
