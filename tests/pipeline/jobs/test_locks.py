import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.jobs.detached import Detached, forget, recall, recall_all, remember
from pipeline.jobs.locks import dvc_owner, locked
from pipeline.project import ProjectPaths
from pipeline.repro import require_idle

ROOT = Path(__file__).parents[3]

HOLD = """
import sys, time
from pathlib import Path
from pipeline.jobs.locks import locked
with locked(Path(sys.argv[1]), "toy", "the stage toy"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_first(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        words = rf"the stage toy runs in this folder already \(pid {holder.pid} on .*\); wait"
        with pytest.raises(ValueError, match=words), locked(tmp_path, "toy", "the stage toy"):
            pass
        with locked(tmp_path, "other", "another stage"):
            pass
        holder.kill()
    with locked(tmp_path, "toy", "the stage toy"):  # the lock of a killed process is stale
        owner = json.loads(ProjectPaths(tmp_path).lock("toy").read_text())
        assert owner["pid"] == os.getpid()
    assert ProjectPaths(tmp_path).lock("toy").read_text() == ""


def test_an_owner_on_another_machine_counts_even_if_its_lock_is_not_seen(tmp_path):
    ProjectPaths(tmp_path).lock("toy").parent.mkdir(parents=True)
    about = {"pid": 1, "host": f"not-{socket.gethostname()}", "since": "yesterday"}
    ProjectPaths(tmp_path).lock("toy").write_text(json.dumps(about))
    words = r"pid 1 on not-.*; if that machine is gone, delete .pipeline/locks/toy.json"
    with pytest.raises(ValueError, match=words), locked(tmp_path, "toy", "the stage toy"):
        pass


def test_detached_jobs_are_remembered_until_forgotten(tmp_path):
    assert recall(tmp_path, "toy") is None
    remember(tmp_path, Detached("toy", "toy-1", "abc"))
    assert recall_all(tmp_path) == [Detached("toy", "toy-1", "abc")]
    with pytest.raises(ValueError, match="dvc commit --force toy"):
        require_idle(tmp_path)
    forget(tmp_path, "toy")
    forget(tmp_path, "toy")
    require_idle(tmp_path)


@pytest.mark.slow
def test_a_dvc_at_work_is_named(tmp_path, quiet_environ):
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    (tmp_path / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages: {toy: {cmd: touch started; until test -e out; do sleep 0.1; done, outs: [out]}}\n"
    )
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as dvc:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "started").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            with pytest.raises(ValueError, match=rf"DVC \(pid {dvc.pid}\) runs in this folder"):
                require_idle(tmp_path)
        finally:
            (tmp_path / "out").touch()
    assert dvc_owner(tmp_path) is None
