import threading
import time

import pytest

from pipeline.jobs import system_metrics
from pipeline.jobs.system_metrics import SWITCH, THREAD, SystemMetrics
from pipeline.tracking.mlflow_runs import close_run, connect, open_run


def monitors():
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


@pytest.mark.slow
def test_the_load_of_the_machine_is_in_the_run_until_it_ends(tmp_path, monkeypatch):
    monkeypatch.setenv(SWITCH, "true")
    monkeypatch.setattr(system_metrics, "SAMPLE_SECONDS", 0.2)
    monkeypatch.setattr(system_metrics, "SAMPLES_PER_POINT", 1)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    address = open_run(uri, tmp_path / "artifacts", "toy", "key", "fingerprint", {})
    load, client = SystemMetrics(address), connect(uri)
    load.follow()
    load.follow()
    assert len(monitors()) == 1
    deadline = time.monotonic() + 120
    while not (metrics := client.get_run(address.run_id).data.metrics):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert 0 < metrics["system/system_memory_usage_percentage"] < 100
    close_run(address, "FINISHED")
    for thread in monitors():
        thread.join(120)
    assert not monitors()


def test_it_can_be_switched_off_and_does_without_mlflow(monkeypatch):
    monkeypatch.setenv(SWITCH, "true")
    SystemMetrics(None).follow()
    monkeypatch.setenv(SWITCH, "false")
    load = SystemMetrics(None)
    load.follow()
    assert not monitors()
