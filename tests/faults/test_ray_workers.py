"""A training on a Ray of three nodes, whose worker is killed, asked to end, and loses its node."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray_machines import Machines
from ruamel.yaml import YAML

from pipeline.cluster import LOCAL

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.cluster]


class Nodes(Machines):
    """A head of one core, and nodes of two that can be killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, count=1, cpus=1)
        self._cpus = 2
        for _ in range(2):
            self.add()

    def kill_that_of(self, worker: int) -> None:
        """Pulls the plug of the node that a process runs on."""
        (index,) = (i for i, node in enumerate(self._nodes) if os.getsid(worker) == node.pid)
        self.kill(index)


@pytest.fixture
def nodes(tmp_path_factory, monkeypatch):
    environ = {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: all ports on loopback
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", LOCAL):
        monkeypatch.delenv(name, raising=False)
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))  # short: sockets lie in it
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", nodes.url)
    yield nodes
    nodes.stop()


def put_code_and_cluster(root: Path, **row: object) -> None:
    """What `python -m pipeline.run pretrain` needs; a worker of two cores, so not on the head."""
    for name in ("mimic3d", "pipeline", "stages"):
        (root / name).symlink_to(ROOT / name)
    yaml = YAML()
    content = yaml.load(ROOT / "cluster.yaml")
    row = {"machines": 1, "cpus": 2, **row}
    content["metadata"]["pipeline"] |= {
        "stages": {"pretrain": row}, "local": {"pretrain": {}},
        "tracking_uri": f"sqlite:///{root}/mlflow.db",
    }  # fmt: skip
    yaml.dump(content, root / "cluster.yaml")


def find_worker(root: Path) -> int | None:
    """Process id of the Ray worker that trains in a folder."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_worker = (folder / "cmdline").read_bytes().startswith(b"ray::")
            if is_worker and (folder / "cwd").readlink() == root:
                return int(folder.name)
    return None


def wait_for(condition, process: subprocess.Popen[str], seconds: float = 900.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_training_outlives_its_worker_twice_and_then_its_node(
    project, trainings, nodes, tmp_path, record_property
):
    trainings.set_up(project, total_kimg=0.8, tick_kimg=0.032)
    straight = shutil.copytree(project, tmp_path / "straight")
    put_code_and_cluster(project, retries=1, pause_seconds=0.1)
    assert trainings.run(straight) == 0

    command = [sys.executable, "-m", "pipeline.run", "pretrain"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=project, text=True, **pipes)
    seen, moments = [], []
    for fault in ("SIGKILL", "SIGTERM", "node"):
        before = set(seen)
        wait_for(lambda b=before: set(trainings.states(project)) - b, process)
        worker = wait_for(lambda: find_worker(project), process)
        if fault == "node":
            nodes.kill_that_of(worker)
        else:
            os.kill(worker, signal.Signals[fault])
        moments.append(trainings.states(project)[-1])
        wait_for(lambda w=worker: find_worker(project) not in (w, None), process)
        seen += trainings.states(project)
    out, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, out
    assert out.count("a worker process died; starting again from its last state") >= 1, out
    assert "was asked to end, its state is saved; starting again" in out
    assert out.count("starting again from its last state") == 3, out
    assert trainings.results(project) == trainings.results(straight)
    record_property("states at the faults", moments)
    record_property("log", [line for line in out.splitlines() if "again" in line])


def test_a_worker_that_always_dies_is_not_started_for_ever(project, trainings, nodes):
    trainings.set_up(project)
    put_code_and_cluster(project, retries=1, pause_seconds=0.1)
    stage = (ROOT / "stages" / "pretrain.py").read_text()
    (project / "stages").unlink()
    shutil.copytree(ROOT / "stages", project / "stages")
    crash = "import os, signal\n\n\ndef run(*_):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    (project / "stages" / "pretrain.py").write_text(stage.partition("if __name__")[0] + crash)
    command = [sys.executable, "-m", "pipeline.run", "pretrain"]
    done = subprocess.run(command, cwd=project, text=True, capture_output=True, timeout=1800)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert said.count("starting again from its last state in 0.1 s") == 1, said
    assert "a worker process died, and 1 restarts in a row got no further; see" in said
    assert ".pipeline/logs/pretrain/" in said
    assert "pipeline/workers/restarts.py" not in said  # no traceback of ours
