import subprocess
import sys

import pytest

from pipeline.jobs import attempt_log
from pipeline.jobs.attempt_log import AttemptLog
from pipeline.project import ProjectPaths
from pipeline.tracking.tracker import PROGRESS


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "job-driver.log"
    path.touch()
    return path


def add(path, text):
    with path.open("a") as file:
        file.write(text)


def test_lines_are_kept_and_progress_is_read(tmp_path, source):
    with source.open("rb") as stream:
        log = AttemptLog(tmp_path, "toy", 3, stream, [])
        add(source, f'one\n{PROGRESS} {{"done": 1, "total": 4, "text": "a"}}\n(Train pid=7) tw')
        log.read_on()
        assert log.path.read_text() == "one\n"
        assert log.progress == {"done": 1, "total": 4, "text": "a"}
        add(source, f'o\n(Train pid=7) {PROGRESS} {{"done": 2, "total": 4, "text": "b"}}\nend')
        log.read_on(is_last=True)
    assert log.path.read_text() == "one\n(Train pid=7) two\nend\n"
    assert log.progress == {"done": 2, "total": 4, "text": "b"}
    assert log.path.name.endswith("-3.log")
    assert log.path.stat().st_mode & 0o077 == 0


def test_half_a_line_of_progress_is_just_a_line(tmp_path, source):
    with source.open("rb") as stream:
        log = AttemptLog(tmp_path, "toy", 1, stream, [])
        add(source, f'{PROGRESS} {{"done": 1, "to\n')
        log.read_on()
    assert log.progress is None
    assert PROGRESS in log.path.read_text()


def test_secrets_do_not_reach_the_log(tmp_path, source):
    with source.open("rb") as stream:
        log = AttemptLog(tmp_path, "toy", 1, stream, ["hunter22"])
        add(source, "password hunter22 it is\n")
        log.read_on()
    assert log.path.read_text() == "password *** it is\n"


def test_a_long_log_loses_its_first_half(tmp_path, source, monkeypatch):
    monkeypatch.setattr(attempt_log, "MAX_BYTES", 1000)
    with source.open("rb") as stream:
        log = AttemptLog(tmp_path, "toy", 1, stream, [])
        for number in range(200):
            add(source, f"line {number}\n")
            log.read_on()
    lines = log.path.read_text().splitlines()
    assert log.path.stat().st_size <= 1000
    assert lines[0] == "[earlier lines were dropped]"
    assert lines[1:] == [f"line {number}" for number in range(201 - len(lines), 200)]


def test_only_the_last_logs_of_a_stage_are_kept(tmp_path, source, monkeypatch):
    monkeypatch.setattr(attempt_log, "KEPT", 2)
    for number in range(5):
        old = ProjectPaths(tmp_path).logs("toy") / f"2020010{number}T000000Z-1.log"
        old.parent.mkdir(parents=True, exist_ok=True)
        old.touch()
    with source.open("rb") as stream:
        log = AttemptLog(tmp_path, "toy", 6, stream, [])
    assert sorted(old.parent.iterdir()) == [old, log.path]


def test_a_process_finds_the_file_its_output_goes_to(tmp_path):
    code = (
        "import sys; from pipeline.jobs.attempt_log import open_own_log as own\n"
        "print('first', file=sys.stderr, flush=True); found = own()\n"
        "sys.stdout.write(found.read().decode() if found else 'none')"
    )
    with (tmp_path / "log").open("w") as log:
        done = subprocess.run([sys.executable, "-c", code], stderr=log, stdout=subprocess.PIPE)
    assert done.stdout == b"first\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stdout == b"none"
