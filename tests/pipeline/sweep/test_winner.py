"""The winner of a sweep over the real stages, run again by DVC."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.jobs.head import local_head

ROOT = Path(__file__).parents[3]
CODE = ("mimic3d", "stages", "pipeline", ".dvc/config", ".dvc/.gitignore", ".dvcignore",
        ".gitignore", "dvc.yaml", "cluster.yaml", "data/raw/.gitkeep", "data/init")  # fmt: skip

PLAN = {
    "stages": ["pretrain", "imitate", "evaluate"],
    "metric": "evaluate/3d/fd_random_conv",
    "num_trials": 2,
    "concurrent": 2,
    "space": {
        "pretrain.g_optimizer.lr": {"loguniform": [0.001, 0.01]},
        "imitate.imitation.weight": {"choice": [2, 5, 10]},
        "evaluate.video": False,
    },
    "asha": {"budgets": {"pretrain.loop.total_kimg": [0.024, 0.048]}, "reduction_factor": 2},
}


@pytest.fixture
def checkout(tmp_path, quiet_environ):
    """A git repository with the files of this project, tiny parameters and a sweep.yaml."""
    for source in [ROOT / name for name in CODE if (ROOT / name).exists()]:
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    shutil.copy(ROOT / "tests" / "tiny_params.yaml", tmp_path / "params.yaml")
    YAML().dump(PLAN, tmp_path / "sweep.yaml")
    who = "git -c user.name=test -c user.email=test@localhost"
    run(tmp_path, f"git init --quiet && git add . && {who} commit --quiet -m start")
    return tmp_path


def run(root: Path, command: str) -> str:
    done = subprocess.run(
        command, cwd=root, shell=True, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.cluster
def test_dvc_reproduces_the_winner_to_the_last_digit(checkout):
    with local_head(min_cpus=2):
        run(checkout, f"{sys.executable} -m pipeline.repro prepare")
        out = run(checkout, f"{sys.executable} -m pipeline.sweep")
        winner = json.loads((checkout / "reports" / "sweep" / "winner.json").read_text())
        assert winner["is_final"]
        assert winner["command"] in out
        assert not (checkout / "reports" / "evaluate").exists()
        run(checkout, winner["command"])
    metrics = json.loads((checkout / "reports" / "evaluate" / "metrics.json").read_text())
    assert metrics["3d/fd_random_conv"] == winner["score"]
    params = YAML(typ="safe").load(checkout / "params.yaml")
    trial = checkout.glob(f"state/sweep/*/trial-{winner['trial']:03d}/params.yaml")
    assert params == YAML(typ="safe").load(next(trial))
