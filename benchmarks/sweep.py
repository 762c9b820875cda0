"""`python -m benchmarks.sweep`: seconds of a sweep per trial, and once.

Runs sweeps over a stage that reports one metric and does nothing else, on a running head: with 1
and with 100 trials. The difference per trial is the overhead of scheduling, folders, MLflow.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.cluster import cores
from pipeline.jobs.head import local_head

ROOT = Path(__file__).parents[1]
NUM_TRIALS = 100

STAGE = """
from mimic3d.config import Config

class DummyConfig(Config):
    x: float = 0.0

CONFIG = DummyConfig

def run(cfg, root, tracker):
    tracker.log_metrics({"loss": cfg.x}, 100)
"""


def make_project(root: Path) -> None:
    """A project with the stage above."""
    (root / "stages").mkdir()
    (root / "stages" / "__init__.py").touch()
    (root / "stages" / "dummy.py").write_text(STAGE)
    (root / "params.yaml").write_text("dummy: {}\n")
    content: dict[str, Any] = YAML(typ="safe").load(ROOT / "cluster.yaml")
    content["metadata"]["pipeline"]["local"] = {"dummy": {"machines": 0}}
    YAML().dump(content, root / "cluster.yaml")


def wall(root: Path, num_trials: int) -> float:
    """Seconds of a whole sweep, from the command line to the report."""
    plan = {
        "stages": ["dummy"],
        "metric": "dummy/loss",
        "num_trials": num_trials,
        "seed": num_trials,
        "concurrent": cores(),
        "space": {"dummy.x": {"uniform": [0, 1]}},
    }
    YAML().dump(plan, root / "sweep.yaml")
    start = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.sweep"]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the overhead."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder, local_head():
        root = Path(folder)
        make_project(root)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
        wall(root, 2)  # MLflow makes its tables
        one, many = wall(root, 1), wall(root, NUM_TRIALS)
        each = (many - one) / (NUM_TRIALS - 1)
        print(f"sweep of 1 trial {one:.1f} s, of {NUM_TRIALS} {many:.1f} s: {each:.2f} s per trial")


if __name__ == "__main__":
    main()
