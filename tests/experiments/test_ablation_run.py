"""The whole ablation at its smallest size, on a real Ray."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.ablation.design import load_design

ROOT = Path(__file__).parents[2]
CODE = ("mimic3d", "stages", "pipeline", "experiments", "cluster.yaml")


@pytest.fixture
def checkout(tmp_path):
    """A folder with the code of this project."""
    root = tmp_path / "project"
    for name in CODE:
        source, target = ROOT / name, root / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return root


def run(root: Path, seeds: int) -> str:
    environ = {name: value for name, value in os.environ.items() if "RAY_" not in name}
    environ |= {
        "HOME": str(root.parent), "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root),
    }  # fmt: skip
    environ.pop("MLFLOW_TRACKING_URI", None)
    command = ["-m", "experiments.ablation", "--size", "ci", "--seeds", str(seeds)]
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environ, capture_output=True, text=True,
        timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1100)
def test_every_row_is_measured_and_more_seeds_continue(checkout):
    run(checkout, seeds=1)
    reports = checkout / "reports" / "ablation" / "ci"
    first = pd.read_csv(reports / "table.csv").set_index(["row", "branch", "metric"])
    assert set(first["num_seeds"]) == {1}
    out = run(checkout, seeds=2)
    assert "10 trials, 5 are over" in out
    table = pd.read_csv(reports / "table.csv").set_index(["row", "branch", "metric"])
    for name, row in load_design().rows.items():
        for branch in row.taught:
            for metric in ("fd_random_conv", "warp_psnr_at_0.2", "flow_residual", "nfs"):
                found = table.loc[(name, branch, metric)]
                assert found["num_seeds"] == 2
                assert found["low"] < found["mean"] < found["high"]
    assert (table["reference"] > 0).all()
    claims = pd.read_csv(reports / "claims.csv")
    assert set(claims["verdict"]) <= {"agrees", "disagrees", "not decided"}
    assert "Incomplete" not in (reports / "table.md").read_text()
    assert (checkout / "mlflow.db").exists()
