"""`dvc exp run` in all its forms: what a workspace of DVC has, and what stays when it goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workspace import require_inputs

ROOT = Path(__file__).parents[2]
STAGE = """
from pathlib import Path
from pipeline.project import ProjectPaths
from pipeline.workspace import require_inputs
root, text = Path.cwd(), Path("params.yaml").read_text()
paths = ProjectPaths(root)
try:
    require_inputs(root, "toy")
except ValueError as error:
    raise SystemExit(str(error))
paths.states("toy").mkdir(parents=True, exist_ok=True)
(paths.states("toy") / f"key-{text.strip()[-1]}").write_text(str(root))
Path("out").write_text(paths.database)
"""
DVC_YAML = """
stages:
  toy:
    cmd: python toy.py
    deps: [data/raw]
    params: [toy.size]
    outs: [out]
"""


def call(root: Path, *command: str, code: int = 0) -> str:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240)
    assert (done.returncode == 0) == (code == 0), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def experiment(tmp_path, quiet_environ, monkeypatch):
    """A git repository with one stage, and a photo that git ignores."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "toy.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "params.yaml").write_text("toy:\n  size: 1\n")
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "/out\n")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / ".gitkeep").touch()
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, sys.executable, "-m", "dvc", "init", "--quiet")
    call(tmp_path, "git", "add", ".")
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    call(tmp_path, "git", *who, "commit", "--quiet", "-m", "start")
    for key, value in (("user.name", "test"), ("user.email", "test@localhost")):
        call(tmp_path, "git", "config", key, value)
    (tmp_path / "data" / "raw" / "photo.png").write_text("a face")
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_states_and_runs_of_all_forms_are_those_of_the_project(experiment):
    dvc = (sys.executable, "-m", "dvc", "exp", "run")
    states = experiment / "state" / "toy"
    call(experiment, *dvc, "-S", "toy.size=2")
    assert (states / "key-2").exists()

    said = call(experiment, *dvc, "--temp", "-S", "toy.size=3", code=1)
    assert "lacks data/raw/photo.png, which git ignores; take it along with" in " ".join(
        said.split()
    )

    call(experiment, *dvc, "--temp", "--copy-paths", "data/raw/photo.png", "-S", "toy.size=4")
    call(experiment, *dvc, "--queue", "--copy-paths", "data/raw/photo.png", "-S", "toy.size=5")
    call(experiment, *dvc, "--run-all")
    workspaces = [Path(path.read_text()) for path in sorted(states.iterdir())]
    assert [each == experiment for each in workspaces] == [True, False, False]
    assert not any(each.exists() for each in workspaces[1:])  # DVC has deleted them
    shown = call(experiment, sys.executable, "-m", "dvc", "exp", "show", "--csv")
    assert all(f",{size}" in shown for size in (2, 4, 5))


def test_a_project_itself_needs_no_copies(tmp_path):
    require_inputs(tmp_path, "toy")


def test_inputs_that_a_stage_does_not_read_are_not_asked_for(tmp_path):
    workspace = tmp_path / ".dvc" / "tmp" / "exps" / "tmpabc"
    for name in ("raw", "init"):
        (workspace / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name).mkdir(parents=True)
    (workspace / "dvc.yaml").write_text("stages: {toy: {cmd: x, deps: [data/init]}}\n")
    (tmp_path / "data" / "raw" / "photo.png").touch()
    require_inputs(workspace, "toy")
    (tmp_path / "data" / "init" / "snapshot").mkdir()
    with pytest.raises(ValueError, match="data/init must be in an experiment's workspace"):
        require_inputs(workspace, "toy")
