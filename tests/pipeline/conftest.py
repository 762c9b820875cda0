import contextlib
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ray_machines import Machines
from ruamel.yaml import YAML

from pipeline.jobs.head import _free_ports

ROOT = Path(__file__).parents[2]

TOY = """
import os, signal, tempfile, time
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist

from mimic3d.config import Config

class ToyConfig(Config):
    act: Literal["work", "mistake", "bug", "die_once", "move", "sleep", "nap", "temporary"] = "work"

CONFIG = ToyConfig

def run(cfg, root, tracker):
    world = dist.get_world_size() if dist.is_initialized() else 1
    total = torch.ones(1)
    if dist.is_initialized():
        dist.all_reduce(total)
    print(f"toy {cfg.act} world {world} sum {total.item():g}", flush=True)
    for name in ("MLFLOW_TRACKING_PASSWORD", "MY_API_KEY"):
        print(f"environment {name}: {os.environ.get(name, 'no')}", flush=True)
    tracker.log_metrics({"loss/G": 0.5}, 100)
    tracker.progress(1, 2, "halfway")
    if cfg.act == "temporary":
        print(f"temporary folder {tempfile.gettempdir()}", flush=True)
    if cfg.act == "mistake":
        raise ValueError("toy.act must be work, is mistake; change it")
    if cfg.act == "bug":
        torch.ones(2).reshape(3)
    if cfg.act == "die_once" and not (root / "state").exists():
        (root / "state").write_text("100")
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.act == "move":
        folder = root / "state" / "toy" / "key"
        tracker.sync.pull(folder)
        if not (folder / "begun").exists():
            if dist.get_rank() == 0:
                folder.mkdir(parents=True)
                (folder / "begun").touch()
                tracker.sync.push(folder)
            time.sleep(3000)
    if cfg.act == "sleep":
        (root / f"pid-{os.getpid()}").touch()
        (root / "asleep").touch()
        time.sleep(3000)
    if cfg.act == "nap":
        (root / "asleep").touch()
        while not (root / "wake").exists():
            time.sleep(0.1)
    tracker.log_metrics({"loss/G": 0.25}, 200)
    tracker.progress(2, 2, "done")
    (root / "out").write_text("done")
"""


@pytest.fixture(scope="session")
def quiet_environ(tmp_path_factory):
    """What keeps Ray, MLflow and DVC out of the real home, and quiet."""
    environ = {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    dropped = ("MLFLOW_TRACKING_URI", "RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
    before = dict(os.environ)
    os.environ.update(environ)
    for name in dropped:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


class Project:
    """A project folder with one stage of its own, `toy`, and the real pipeline."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for package in ("pipeline", "mimic3d"):  # the same for jobs, whatever is installed
            (root / package).symlink_to(ROOT / package)
        (root / "stages").mkdir()
        (root / "stages" / "__init__.py").touch()
        (root / "stages" / "toy.py").write_text(TOY)
        self.set_up("work")

    def set_up(self, act: str, address: str | None = None, **row: Any) -> None:
        yaml = YAML()
        content = yaml.load(ROOT / "cluster.yaml")
        content["metadata"]["pipeline"]["local"] = {"toy": row}
        content["metadata"]["pipeline"]["address"] = address
        yaml.dump(content, self.root / "cluster.yaml")
        (self.root / "params.yaml").write_text(f"toy:\n  act: {act}\n")

    def start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "pipeline.run", "toy"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.root, text=True, **pipes)

    def run(self) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start()
        out, err = process.communicate(timeout=1800)
        return process.returncode, out, err

    def processes_of_stage(self) -> list[int]:
        """Processes whose log says that they ran the stage."""
        return [each for each in self.processes() if (self.root / f"pid-{each}").exists()]

    def processes(self) -> list[int]:
        """Processes that were told of this folder, or started by one that was."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                carried = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
                if str(self.root).encode() in carried:
                    found.append(int(folder.name))
        return found


@pytest.fixture
def project(tmp_path, quiet_environ):
    return Project(tmp_path)


@pytest.fixture(scope="module")
def machines(tmp_path_factory, quiet_environ):
    """Three machines of two cores each."""
    environ = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: all ports on loopback
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        cluster = Machines(tmp_path_factory.mktemp("machines"), 3, 2)
        patch.setenv("RAY_API_SERVER_ADDRESS", cluster.url)
        yield cluster
        cluster.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """A bucket of a server that speaks S3, on loopback."""
    (port,) = _free_ports(1)
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    environ = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    import s3fs

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        deadline = time.monotonic() + 60
        while True:
            try:
                s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bucket")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield "s3://bucket"
    server.terminate()
    server.wait(20)
