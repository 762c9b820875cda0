"""MLflow's store in PostgreSQL, by the driver that the extra `postgres` brings."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from pipeline.tracking.background import BackgroundTracker
from pipeline.tracking.mlflow_runs import RunRequest, close_run, connect

psycopg = pytest.importorskip("psycopg")
INITDB, POSTGRES = shutil.which("initdb"), shutil.which("postgres")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (INITDB and POSTGRES), reason="needs the server of PostgreSQL"),
]


@pytest.fixture
def database(quiet_environ):
    """URI of a PostgreSQL server on loopback; it does not run as root."""
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if user:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        init = [str(INITDB), "-D", data, "-U", "me", "--auth=trust", "--no-sync"]
        subprocess.run(init, check=True, capture_output=True, cwd=folder, **user)
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        server = subprocess.Popen(
            [str(POSTGRES), "-D", data, *options], stderr=subprocess.DEVNULL, cwd=folder, **user
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(f"postgresql://me@127.0.0.1:{port}/postgres").close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield f"postgresql+psycopg://me@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)  # does not wait for its clients
        server.wait(30)


def test_a_run_is_kept_in_postgresql(database, tmp_path: Path, capsys):
    request = RunRequest(database, str(tmp_path / "artifacts"), "toy", "repro", "key", {"a": "b"})
    address = request.open()
    tracker = BackgroundTracker(request, address, tmp_path / "journals")
    tracker.log_params({"toy": {"a": 1}})
    for step in (1, 2):
        tracker.log_metrics({"loss": 1 / step, "none": float("nan")}, step)
    tracker.close(60)
    close_run(address, "FINISHED")
    assert request.open().run_id != address.run_id  # a finished one is not opened again
    run = connect(database).get_run(address.run_id)
    assert run.data.metrics["loss"] == 0.5
    assert run.data.params == {"toy.a": "1"}
    assert run.info.status == "FINISHED"
    assert capsys.readouterr().err == ""
