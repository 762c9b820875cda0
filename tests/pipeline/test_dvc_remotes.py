"""Results travel through a DVC remote into a fresh clone, as docs/experiments.md says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_folder import digests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DVC_YAML = """
stages:
  toy:
    cmd: python -c "import pathlib; pathlib.Path('runs').mkdir(); pathlib.Path('runs/w').write_bytes(bytes(5000))"
    outs: [runs]
"""  # noqa: E501


def call(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path, quiet_environ):
    root = tmp_path / "project"
    root.mkdir()
    dvc = (sys.executable, "-m", "dvc")
    call(root, "git", "init", "--quiet")
    for key, value in (("user.name", "test"), ("user.email", "test@localhost")):
        call(root, "git", "config", key, value)
    call(root, *dvc, "init", "--quiet")
    (root / "dvc.yaml").write_text(DVC_YAML)
    call(root, *dvc, "repro", "--quiet")
    (root / "data" / "raw").mkdir(parents=True)
    (root / "data" / "raw" / "photo.png").write_text("a face")
    call(root, *dvc, "add", "--quiet", "data/raw/photo.png")
    return root


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_fresh_clone_pulls_what_was_pushed(project, tmp_path, kind, request):
    if kind == "s3":
        pytest.importorskip("dvc_s3")
        url = f"{request.getfixturevalue('s3')}/dvc"
    else:
        url = str(tmp_path / "remote of the lab")
    dvc = (sys.executable, "-m", "dvc")
    call(project, *dvc, "remote", "add", "--default", "shared", url)
    call(project, "git", "add", ".")
    call(project, "git", "commit", "--quiet", "-m", "results")
    call(project, *dvc, "push")
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(project), str(clone))
    shutil.rmtree(project / ".dvc" / "cache")
    call(clone, *dvc, "pull")
    for name in ("runs", "data"):
        ours = {
            path: value for path, value in digests(project / name).items() if ".git" not in path
        }
        assert ours.items() <= digests(clone / name).items()
        assert ours
    assert "up to date" in call(clone, *dvc, "status")
