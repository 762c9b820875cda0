"""Several machines train one model: here three Ray nodes with a temporary folder each."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.cluster]


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
    for name in ("mimic3d", "pipeline", "stages"):
        (root / name).symlink_to(ROOT / name)
    (root / "data" / "init").mkdir()
    set_up_dvc(root, (ROOT / "dvc.yaml").read_text())
    return root


def set_up_dvc(root: Path, stages: str) -> None:
    """What DVC needs to read these stages."""
    (root / "dvc.yaml").write_text(stages)
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")


def wait_for(condition, seconds: float = 900.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return condition()


def train(root: Path, module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=1800)
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


@pytest.fixture(scope="module")
def cluster(s3, machines):
    """Machines that can reach the storage."""
    return machines


def traces(cluster, stage: str) -> list[int]:
    """Machines on which an attempt at a stage has a folder now."""
    return [
        index
        for index in cluster.indices()
        if list(cluster.temporary(index).glob(f"mimic3d-*/attempts/{stage}-*"))
    ]


def test_machines_that_share_files_train_as_one_process_does(
    alone, cluster, prepared_project, tmp_path
):
    root = experiment(prepared_project, tmp_path / "project", {"machines": 2, "processes": 2})
    train(root, "pipeline.run", "pretrain")
    assert list(losses(root)) == list(alone)
    np.testing.assert_allclose(losses(root), alone, rtol=1e-5, atol=1e-6)


def test_machines_that_share_nothing_train_as_one_process_does(
    alone, cluster, s3, prepared_project, tmp_path
):
    root = experiment(
        prepared_project, tmp_path / "project", {"machines": 3},
        storage=f"{s3}/{tmp_path.name}", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
    )  # fmt: skip
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["pretrain"]["loop"] |= {"batch": 12, "total_kimg": 0.036, "tick_kimg": 0.012}
    yaml.dump(params, root / "params.yaml")
    other = shutil.copytree(root, tmp_path / "other", symlinks=True)
    said = train(root, "pipeline.run", "pretrain")
    assert "MB of inputs went to s3://" in said
    train(other, "stages.pretrain")
    np.testing.assert_allclose(losses(root), losses(other), rtol=1e-5, atol=1e-6)
    assert list((root / "runs" / "pretrain" / "snapshot").iterdir())
    assert not (root / "state" / "pretrain").exists()
    assert not traces(cluster, "pretrain")


def test_a_stage_goes_on_where_it_was_when_a_machine_dies(project, cluster, tmp_path):
    project.set_up("move")
    set_up_dvc(project.root, "stages: {toy: {cmd: none, deps: [stages/toy.py], outs: [out]}}")
    yaml = YAML()
    content = yaml.load(project.root / "cluster.yaml")
    content["metadata"]["pipeline"] |= {
        "stages": {"toy": {"machines": 2}},
        "storage": f"file://{tmp_path}/storage",
        "tracking_uri": f"sqlite:///{tmp_path}/mlflow.db",
    }
    yaml.dump(content, project.root / "cluster.yaml")
    process = project.start()
    state = tmp_path / "storage" / "state" / "toy" / "key" / "index.json"
    assert wait_for(lambda: state.exists() and len(traces(cluster, "toy")) == 2)
    victim = max(traces(cluster, "toy"))
    cluster.kill(victim)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, out + err
    assert "starting again from its last state" in out
    assert (project.root / "out").read_text() == "done"
