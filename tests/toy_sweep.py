"""A project whose stage is a few lines, its sweep, and the runs that it leaves in MLflow."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pipeline.tracking.mlflow_runs import connect

STAGE = """
import os
import signal
import time
from pathlib import Path
from typing import Literal

import torch.distributed as dist
from PIL import Image

from mimic3d.config import Config

class ToyConfig(Config):
    quality: float = 1.0
    total: int = 4
    seconds: float = 0.0
    act: Literal["work", "mistake", "bug", "die", "die_once", "wait"] = "work"

CONFIG = ToyConfig

def run(cfg, root, tracker):
    state = root / "state" / "toy"
    start = int(state.read_text()) if state.exists() else 0
    with (root / "calls").open("a") as file:
        file.write(f"{start}-{cfg.total} ")
    print("this goes to the log of the trial")
    if cfg.act == "mistake":
        raise ValueError("toy.act must be work, is mistake; change it")
    while cfg.act == "wait" and not (root.parents[3] / "go").exists():  # in the project
        time.sleep(0.1)
    if cfg.act == "bug":
        [].pop()
    if cfg.act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    for step in range(start + 1, cfg.total + 1):
        time.sleep(cfg.seconds)
        tracker.log_metrics({"loss": cfg.quality + 1 / step}, step * 100)
        state.write_text(str(step))
        if cfg.act == "die_once" and step == 2 and start == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    world = dist.get_world_size() if dist.is_initialized() else 1
    tracker.log_metrics({"world": world}, cfg.total * 100)
    tracker.log_image("samples", Image.new("RGB", (4, 4)), cfg.total * 100)
"""

QUALITIES = [5, 1, 4, 2, 3, 6]


class Sweep:
    """A project whose stage is the one above, and its sweep.yaml."""

    def __init__(self, project, **plan) -> None:
        self.root: Path = project.root
        (self.root / "stages" / "toy.py").write_text(STAGE)
        self.plan = {
            "stages": ["toy"],
            "metric": "toy/loss",
            "search": "grid",
            "space": {"toy.quality": {"grid": QUALITIES[:3]}},
        }
        self.write(**plan)

    def write(self, **changes) -> None:
        self.plan |= changes
        YAML().dump(self.plan, self.root / "sweep.yaml")

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "pipeline.sweep", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.root, text=True, **pipes)

    def run(self, code: int = 0) -> tuple[str, str]:
        """Stdout and stderr of a sweep that ends with this code."""
        process = self.start()
        out, err = process.communicate(timeout=1800)
        assert process.returncode == code, out + err
        return out, err

    def calls(self) -> list[str]:
        """What each trial was asked to do: from-to of each call of the stage."""
        paths = sorted(self.root.glob("state/sweep/*/trial-*/calls"))
        return [path.read_text().strip() for path in paths]

    def table(self) -> pd.DataFrame:
        table = pd.read_csv(self.root / "reports" / "sweep" / "trials.csv")
        return table.set_index("trial").sort_index()

    def winner(self) -> dict:
        return json.loads((self.root / "reports" / "sweep" / "winner.json").read_text())


def wait_for(condition, seconds: float = 900.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def runs_of(root: Path, level: str):
    client = connect(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("mimic3d").experiment_id
    return client, client.search_runs([experiment], f"tags.level = '{level}'")


def num_runs(root: Path) -> int:
    """Runs in MLflow's database, whose tables may be in the making."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{root}/mlflow.db?mode=ro", uri=True)) as db:
            return db.execute("select count(*) from runs").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
