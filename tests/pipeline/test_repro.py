import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COPIED = ("mimic3d", "stages", "pipeline", ".dvc/config", ".dvc/.gitignore", ".dvcignore",
          ".gitignore", "dvc.yaml", "cluster.yaml", "data/raw/.gitkeep",
          "data/init/.gitkeep")  # fmt: skip


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def set_params(root: Path, changes: dict[str, Any]) -> None:
    """The tiny parameters with some of them changed, by dotted key."""
    yaml = YAML()
    params = yaml.load(ROOT / "tests" / "tiny_params.yaml")
    for key, value in changes.items():
        *groups, name = key.split(".")
        place = params
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
    yaml.dump(params, root / "params.yaml")


@pytest.fixture
def checkout(tmp_path, quiet_environ):
    """A git repository with the files of this project and tiny parameters."""
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    set_params(tmp_path, {})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "start")
    return tmp_path


def reproduce(root: Path, *targets: str) -> str:
    """What a reproduction says."""
    command = [sys.executable, "-m", "pipeline.repro", *targets]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


@pytest.mark.slow
def test_four_stages_then_nothing_then_only_what_changed(checkout):
    first = reproduce(checkout)
    assert first.count("(the head of this reproduction)") == 4
    for stage in ("prepare", "pretrain", "imitate", "evaluate"):
        assert json.loads((checkout / "reports" / stage / "metrics.json").read_text())
    for stage in ("pretrain", "imitate"):
        assert list((checkout / "runs" / stage / "snapshot").iterdir())
        assert list((checkout / "runs" / stage / "samples").glob("*.png"))
    assert (checkout / "dvc.lock").exists()
    assert (checkout / "mlflow.db").exists()
    guide = first[first.index("Look at\n") :].splitlines()[1:]
    files = [line.split()[0] for line in guide if line.lstrip().startswith("reports/")]
    assert len(files) == 3
    assert all((checkout / file).stat().st_size for file in files)
    assert [line.split()[1] for line in guide if line.lstrip().startswith("make ")] == [
        "view",
        "ui",
    ]

    assert reproduce(checkout) == "Nothing to do: all stages are up to date.\n"

    elsewhere = (checkout / "cluster.yaml").read_text().replace("gpus: auto", "gpus: 0")
    (checkout / "cluster.yaml").write_text(elsewhere)
    assert reproduce(checkout) == "Nothing to do: all stages are up to date.\n"
    shutil.copy(ROOT / "cluster.yaml", checkout)

    set_params(checkout, {"evaluate.sampling.truncation_psi": 0.5})
    up_to = "Nothing to do: imitate and all before it are up to date.\n"
    assert reproduce(checkout, "imitate") == up_to
    changed = reproduce(checkout)
    assert changed.count("(the head of this reproduction)") == 1
    assert "evaluate: on Ray" in changed
