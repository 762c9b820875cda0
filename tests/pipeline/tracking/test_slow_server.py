"""Servers that take a request and do not answer in time, or answer that they cannot work."""

import http.server
import threading
import time

import pytest

from pipeline.tracking.background import BackgroundTracker
from pipeline.tracking.mlflow_runs import RunAddress, RunRequest


class Answer(http.server.BaseHTTPRequestHandler):
    status = 0

    def do_GET(self):
        if self.status == 0:
            time.sleep(30)
        self.send_response(self.status or 200)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, format, *args):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (0, "MLflow does not answer in time: "),
        (503, "MLflow's server answers that it cannot do its work; its own log says why: "),
        (403, "MLflow does not let this user report here (docs/security.md): "),
    ],
)
def test_a_server_in_trouble_is_told_as_it_is_and_holds_nothing_up(
    status, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(Answer, "status", status)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://127.0.0.1:{server.server_port}"
    request = RunRequest(uri, str(tmp_path), "toy", "repro", "key", {})
    tracker = BackgroundTracker(request, RunAddress(uri, "run", "parent", "toy"), tmp_path / "left")
    begun = time.monotonic()
    for step in range(100):
        tracker.log_metrics({"loss": 1.0}, step)
    assert time.monotonic() - begun < 1
    while not tracker._numbers.reason:
        time.sleep(0.05)
    tracker.close(0)
    server.shutdown()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(sentence), said
    assert said[1].startswith("MLflow has not got all metrics of toy: " + sentence)
    assert len(said) == 2
    assert len(list((tmp_path / "left").glob("*.jsonl"))) == 1  # the next stage delivers it
