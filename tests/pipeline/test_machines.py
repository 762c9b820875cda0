"""Several machines train one model: here three Ray nodes with a temporary folder each."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def experiment(prepared: Path, root: Path, row: dict, **keys) -> Path:
    """A tiny training of two steps a tick, on machines as `row` says."""
    shutil.copytree(prepared, root)
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["pretrain"]["loop"] |= {"batch": 16, "tick_kimg": 0.032, "total_kimg": 0.096}
    yaml.dump(params, root / "params.yaml")
    cluster = yaml.load(ROOT / "cluster.yaml")
    cluster["metadata"]["pipeline"] |= {"stages": {"pretrain": row}, **keys}
    cluster["metadata"]["pipeline"]["local"] = {"pretrain": {}}
    yaml.dump(cluster, root / "cluster.yaml")
    for name in ("mimic3d", "stages", "pipeline"):
        (root / name).symlink_to(ROOT / name)
    return root


def train(root: Path, module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def losses(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "reports" / "pretrain" / "losses.csv")


@pytest.fixture(scope="module")
def alone(prepared_project, tmp_path_factory):
    """Losses of one process without Ray."""
    root = experiment(prepared_project, tmp_path_factory.mktemp("alone") / "project", {})
    train(root, "stages.pretrain")
    return losses(root)


@pytest.mark.parametrize("row", [{"machines": 2, "processes": 1}, {"machines": 2, "processes": 2}])
def test_any_machines_train_as_one_process_does(row, alone, machines, prepared_project, tmp_path):
    root = experiment(prepared_project, tmp_path / "project", row)
    said = train(root, "pipeline.run", "pretrain")
    assert "on Ray at" in said
    trained = losses(root)
    assert list(trained) == list(alone)
    np.testing.assert_allclose(trained, alone, rtol=1e-5, atol=1e-6)
