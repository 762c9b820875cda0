"""MLflow in the states it can be in while a stage reports: a true sentence, and nothing is lost."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from PIL import Image

from pipeline.tracking import steady
from pipeline.tracking.background import BackgroundTracker
from pipeline.tracking.journal import deliver_left, journal_path, note_status
from pipeline.tracking.mlflow_runs import (
    RunRequest,
    close_run,
    connect,
    find_experiment,
    open_run,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path, monkeypatch, quiet_environ):
    monkeypatch.setattr(steady, "RETRY_SECONDS", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return tmp_path, f"sqlite:///{tmp_path}/mlflow.db"


def ask(store, fingerprint: str = "key", uri: str = "") -> RunRequest:
    folder, own = store
    return RunRequest(uri or own, str(folder / "artifacts"), "toy", "repro", fingerprint, {})


def curve(address, key: str = "loss") -> list[tuple[int, float]]:
    """Steps and times in seconds."""
    history = connect(address.uri).get_metric_history(address.run_id, key)
    return [(point.step, point.timestamp / 1000) for point in history]


def wait_for(condition, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_run_deleted_from_the_ui_gets_all_when_it_is_restored(store, capsys):
    request = ask(store)
    address, client = request.open(), connect(request.uri)
    tracker = BackgroundTracker(request, address, store[0] / "journals")
    client.delete_run(address.run_id)
    times = []
    for step in (1, 2, 3):
        times.append(time.time())
        tracker.log_metrics({"loss": step}, step)
        tracker.log_image("samples", Image.new("RGB", (2, 2)), step)
        time.sleep(0.3)
    said = capsys.readouterr().err
    assert said.count("was deleted in MLflow") == 1
    assert "restores it" in said
    assert "cannot be reached" not in said
    client.restore_run(address.run_id)
    tracker.close(60)
    assert [step for step, _ in curve(address)] == [1, 2, 3]
    assert [at for _, at in curve(address)] == pytest.approx(times, abs=0.1)
    names = [each.path for each in client.list_artifacts(address.run_id, "images")]
    assert sum(name.endswith(".png") for name in names) == 3
    assert not list((store[0] / "journals").iterdir())


def test_a_stage_does_not_wait_for_a_run_that_stays_deleted(store, capsys):
    request = ask(store)
    address = request.open()
    connect(request.uri).delete_experiment(find_experiment(connect(request.uri)))
    tracker = BackgroundTracker(request, address, store[0] / "journals")
    tracker.log_metrics({"loss": 1.0}, 1)
    assert wait_for(lambda: tracker._numbers.reason)
    begun = time.monotonic()
    tracker.close(60)
    assert time.monotonic() - begun < 5
    assert "MLflow has not got all metrics of toy: the run of toy" in capsys.readouterr().err
    close_run(address, "FINISHED")  # neither does the end of the run fail


def test_another_experiment_follows_a_deleted_one_and_a_renamed_one_goes_on(store, capfd):
    folder, uri = store
    arguments = uri, folder / "artifacts", "toy", "repro"
    open_run(*arguments, "one", {})
    client = connect(uri)
    first = find_experiment(client)
    client.rename_experiment(first, "faces of the paper")
    open_run(*arguments, "two", {})
    assert find_experiment(client) == first
    assert len(client.search_runs([first], "tags.level = 'stage'")) == 2

    client.rename_experiment(first, "mimic3d")
    client.delete_experiment(first)
    address = open_run(*arguments, "one", {})
    second = client.get_run(address.run_id).info.experiment_id
    assert second != first
    assert client.get_experiment(second).name == "mimic3d-2"
    assert "MLflow's experiment mimic3d was deleted" in capfd.readouterr().err
    client.restore_experiment(first)
    assert find_experiment(client) == first


def test_a_run_renamed_or_ended_from_the_ui_goes_on(store, capsys):
    request = ask(store)
    address, client = request.open(), connect(request.uri)
    tracker = BackgroundTracker(request, address)
    tracker.log_metrics({"loss": 1.0}, 1)
    assert wait_for(lambda: tracker._numbers.is_idle)
    client.update_run(address.run_id, status="KILLED", name="my favourite")
    tracker.log_metrics({"loss": 0.5}, 2)
    tracker.close(60)
    close_run(address, "FINISHED")
    run = client.get_run(address.run_id)
    assert (run.info.run_name, run.info.status) == ("my favourite", "FINISHED")
    assert [step for step, _ in curve(address)] == [1, 2]
    assert capsys.readouterr().err == ""


def test_a_database_that_cannot_be_written_is_waited_for(store, capsys):
    request = ask(store)
    address = request.open()
    read_only = f"sqlite:///file:{store[0]}/mlflow.db?mode=ro&uri=true"
    tracker = BackgroundTracker(request, address)
    tracker._numbers.tracker._client = connect(read_only)
    sent = time.time()
    tracker.log_metrics({"loss": 1.0}, 1)
    assert wait_for(lambda: tracker._numbers.reason)
    time.sleep(1)
    tracker._numbers.tracker._client = connect(request.uri)
    tracker.close(60)
    said = capsys.readouterr().err
    assert said.startswith("MLflow's files can be read, but not written: ")
    assert said.count("\n") == 1
    assert curve(address) == [(1, pytest.approx(sent, abs=0.2))]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can mount a disk")
def test_a_full_disk_below_the_database_is_told_and_waited_for(store, capsys):
    small = store[0] / "disk"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        request = ask(store, uri=f"sqlite:///{small}/mlflow.db")
        address = request.open()
        tracker = BackgroundTracker(request, address, store[0] / "journals")
        with (small / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"0" * 4096)
        sent = time.time()
        for step in range(400):
            tracker.log_metrics({f"loss/{name}": 1.0 for name in range(20)}, step)
        assert wait_for(lambda: tracker._numbers.reason)
        (small / "ballast").unlink()
        tracker.close(120)
        assert "the disk of MLflow's files is full" in capsys.readouterr().err
        assert [step for step, _ in curve(address, "loss/7")] == list(range(400))
        assert max(at for _, at in curve(address, "loss/7")) < sent + 10
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_database_that_another_process_holds_is_waited_for(store, capsys):
    request = ask(store)
    address = request.open()
    other = sqlite3.connect(store[0] / "mlflow.db")
    other.execute("begin exclusive")
    tracker = BackgroundTracker(request, address)
    tracker.log_metrics({"loss": 1.0}, 1)
    assert wait_for(lambda: tracker._numbers.reason)
    other.rollback()
    other.close()
    tracker.close(60)
    assert capsys.readouterr().err.startswith("another process holds MLflow's database: ")
    assert [step for step, _ in curve(address)] == [1]


def test_a_store_that_comes_when_the_stage_has_begun_gets_all(store):
    request = ask(store)
    tracker = BackgroundTracker(request, None, store[0] / "journals")  # as when nobody answered
    sent = time.time()
    tracker.log_params({"toy": {"a": 1}})
    tracker.log_metrics({"loss": 1.0}, 1)
    time.sleep(0.5)
    address = request.open()
    tracker.close(60)
    assert curve(address) == [(1, pytest.approx(sent, abs=0.2))]
    assert connect(request.uri).get_run(address.run_id).data.params == {"toy.a": "1"}


KILLED = """
import os, signal, sys, time
from pathlib import Path
from PIL import Image
from pipeline.tracking.background import BackgroundTracker
from pipeline.tracking.mlflow_runs import RunAddress, RunRequest
request = RunRequest(*sys.argv[2:7], {})
tracker = BackgroundTracker(request, None, Path(sys.argv[1]))
for step in (1, 2):
    tracker.log_metrics({"loss": step}, step)
    tracker.log_image("samples", Image.new("RGB", (2, 2)), step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_not_sent_keeps_its_times(store):
    """Its run is resumed, or the next stage of the folder finds what it left."""
    journals, request, other = store[0] / "journals", ask(store), ask(store, "other")
    for each in (request, other):
        fields = (each.uri, each.artifacts, each.stage, each.reproduction, each.fingerprint)
        subprocess.run([sys.executable, "-c", KILLED, str(journals), *fields], check=False)
    killed = time.time()
    note_status(journals, other, "KILLED")
    with journal_path(journals, request).open("a") as file:
        file.write('{"kind": "metr')  # half a line
    time.sleep(1.5)

    address = request.open()
    resumed = BackgroundTracker(request, address, journals)
    resumed.repeat_metrics([(1, {"loss": 1.0}), (2, {"loss": 2.0})])
    resumed.log_metrics({"loss": 3.0}, 3)
    deliver_left(journals, request.uri, request)
    resumed.close(60)
    found = other.find(unfinished=False)
    for each, steps in ((address, [1, 2, 3]), (found, [1, 2])):
        assert [step for step, _ in curve(each)] == steps
        assert max(at for _, at in curve(each)[:2]) < killed
        names = [a.path for a in connect(each.uri).list_artifacts(each.run_id, "images")]
        assert sum(name.endswith(".png") for name in names) == 2
    assert connect(request.uri).get_run(found.run_id).info.status == "KILLED"
    assert not list(journals.iterdir())


def test_two_stores_get_what_is_theirs(store):
    journals, uri = store[0] / "journals", f"sqlite:///{store[0]}/other.db"
    here, there = ask(store), ask(store, uri=uri)
    trackers = [BackgroundTracker(each, None, journals) for each in (here, there)]
    for number, tracker in enumerate(trackers):
        tracker.log_metrics({"loss": number}, number)
        tracker.close(0)
    assert len(list(journals.iterdir())) == 2
    for each, others in ((here, 1), (there, 0)):
        deliver_left(journals, each.uri, ask(store, "own", each.uri))
        assert len(list(journals.iterdir())) == others
        address = each.find(unfinished=False)
        assert len(curve(address)) == 1
