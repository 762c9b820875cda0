import json
import os
import subprocess
import sys

import pytest

from pipeline.cluster import Settings
from pipeline.status import render
from pipeline.status_rows import StageRow, StatusReport, collect_status
from pipeline.tracking.mlflow_runs import close_run, connect, open_run


def test_the_table_has_a_row_per_run():
    progress = {"done": 12000.0, "total": 20000, "text": "12 kimg"}
    row = StageRow("toy", "running", progress, 2, "node7", "2026-11-22T21:00:05+00:00", 3725.9)
    header, *lines = render(StatusReport([row, StageRow("other", "locked")], [])).splitlines()
    assert header.split() == "stage state progress attempt node started (UTC) took link".split()
    assert (
        lines[0].split()
        == "toy running 12000/20000 12 kimg 2 node7 2026-11-22 21:00 1:02:05 -".split()
    )
    assert lines[1].split() == ["other", "locked", *"------"]
    assert render(StatusReport([], [])) == "No stage has run in this folder yet."


def test_without_a_store_only_dvc_knows(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n  toy:\n    cmd: true\n")
    report = collect_status(Settings(), tmp_path, 20)
    assert report == StatusReport([StageRow("toy", "locked")], [])
    assert not (tmp_path / "mlflow.db").exists()


def test_a_cluster_that_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    notes = collect_status(Settings(), tmp_path, 20).notes
    assert notes == ["no Ray answers at http://127.0.0.1:9 (RAY_API_SERVER_ADDRESS)"]


@pytest.mark.slow
def test_runs_of_the_past_come_from_mlflow(tmp_path, quiet_environ):
    store = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlartifacts"
    done, gone = (open_run(*store, "toy", "repro", key, {}) for key in ("one", "two"))
    close_run(done, "FINISHED")
    connect(store[0]).set_tag(gone.run_id, "progress", json.dumps({"done": 1, "total": 2}))
    (tmp_path / "cluster.yaml").write_text("metadata: {pipeline: {}}\n")
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", "pipeline.status", "--json"]
    shown = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=True)
    rows = {row["mlflow_link"].rpartition("/")[2]: row for row in json.loads(shown.stdout)}
    assert rows.keys() == {done.run_id, gone.run_id}
    assert rows[done.run_id]["state"] == "finished"
    assert rows[gone.run_id]["state"] == "lost"
    assert rows[gone.run_id]["progress"] == {"done": 1, "total": 2}
