"""A real MLflow server that goes away and comes back while a stage reports to it."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from pipeline.tracking import steady
from pipeline.tracking.background import BackgroundTracker
from pipeline.tracking.mlflow_runs import RunAddress, RunRequest, connect

pytestmark = [pytest.mark.slow, pytest.mark.cluster]
AWAY_SECONDS = float(os.environ.get("MLFLOW_AWAY_SECONDS", "12"))


class Server:
    """`mlflow server` on loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self.uri = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
                    *("--port", str(self._port), "--workers", "1"),
                    *("--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"),
                    *("--artifacts-destination", str(self._folder / "artifacts")),
                ],
                env=environ, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5)
                return
            except OSError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                assert self._process.poll() is None, (self._folder / "log").read_text()
                time.sleep(0.2)

    def kill(self) -> None:
        os.killpg(self._process.pid, 9)
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture
def request_of_run(server, tmp_path, request) -> RunRequest:
    tags = {"git.commit": "abc"}
    return RunRequest(server.uri, str(tmp_path), "toy", "repro", request.node.name, tags)


@pytest.fixture
def address(request_of_run) -> RunAddress:
    return request_of_run.open()


def steps(address: RunAddress, key: str) -> list[int]:
    history = connect(address.uri).get_metric_history(address.run_id, key)
    return [point.step for point in history]


def test_metrics_of_the_time_without_a_server_arrive_with_their_steps(
    server, request_of_run, address, monkeypatch, capsys, record_property
):
    monkeypatch.setattr(steady, "RETRY_SECONDS", 1.0)
    tracker = BackgroundTracker(request_of_run, address)
    tracker.log_params({"toy": {"a": 1}})
    waits, times = [], []
    returned = threading.Timer(AWAY_SECONDS, server.start)
    for step in range(60):
        if step == 10:
            server.kill()
            returned.start()
        begun = time.monotonic()
        times.append(time.time())
        tracker.log_metrics({"loss/G": step / 10}, step)
        if step % 20 == 5:
            tracker.log_image("samples", Image.new("RGB", (4, 4)), step)
        waits.append(time.monotonic() - begun)
        time.sleep(1.5 * AWAY_SECONDS / 60)
    returned.join()
    tracker.close(60)
    assert steps(address, "loss/G") == list(range(60))
    history = connect(address.uri).get_metric_history(address.run_id, "loss/G")
    errors = [abs(point.timestamp / 1000 - t) for point, t in zip(history, times, strict=True)]
    assert max(errors) < AWAY_SECONDS / 2  # of when it was measured, not of when it arrived
    images = connect(address.uri).list_artifacts(address.run_id, "images")
    assert len([image for image in images if image.path.endswith(".png")]) == 3
    assert connect(address.uri).get_run(address.run_id).data.params == {"toy.a": "1"}
    assert capsys.readouterr().err.count("MLflow cannot be reached") == 1
    record_property("longest time that a report took the stage, s", max(waits))
    record_property("all 60 reports together, s", sum(waits))


def test_a_refused_report_does_not_hold_up_the_others(request_of_run, address, capsys):
    tracker = BackgroundTracker(request_of_run, address)
    tracker.log_params({"toy": {"a": 1}})
    tracker.log_params({"toy": {"a": 2}})  # MLflow's params never change
    tracker.log_metrics({"loss/G": 1.0}, 8)
    tracker.close(60)
    assert steps(address, "loss/G") == [8]
    assert "Changing param values is not allowed" in capsys.readouterr().err


def test_a_killed_process_of_the_time_without_a_server_loses_nothing(request_of_run, address):
    first = BackgroundTracker(request_of_run, address)
    first.log_metrics({"loss/G": 0.0}, 0)
    first.close(60)
    second = BackgroundTracker(
        request_of_run, address
    )  # the process between them never reached the server
    second.repeat_metrics([(step, {"loss/G": float(step)}) for step in (0, 8, 16)])
    second.log_metrics({"loss/G": 3.0}, 24)
    second.close(60)
    assert steps(address, "loss/G") == [0, 8, 16, 24]


def test_the_end_of_a_stage_waits_but_not_for_ever(capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = RunRequest("http://127.0.0.1:9", "/", "toy", "repro", "key", {})
    tracker = BackgroundTracker(nobody, RunAddress(nobody.uri, "run", "parent", "toy"))
    tracker.log_metrics({"loss/G": 1.0}, 8)
    tracker.log_image("samples", Image.new("RGB", (4, 4)), 8)
    while not (tracker._numbers.reason and tracker._files.reason):
        time.sleep(0.05)
    tracker.close(1.0)
    assert "MLflow has not got all images, metrics of toy: MLflow cannot" in capsys.readouterr().err
