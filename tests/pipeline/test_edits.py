"""What an edit of the code costs: which stages DVC runs again, and which of them train again."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline.code_hash import hash_modules
from stages.training_states import LOOKS_ONLY

ROOT = Path(__file__).parents[2]
STAGES = ("prepare", "pretrain", "imitate", "evaluate")


@dataclass(frozen=True)
class Edit:
    """Of one file: text that is there once, and what takes its place."""

    file: str
    old: str
    new: str
    reruns: tuple[str, ...]
    """Stages whose command DVC runs again for this edit alone."""
    trains: tuple[str, ...] = ()
    """Those that begin a new state."""


EDITS = {
    "CSS of a report": Edit(
        "mimic3d/preparation/report/page.py", "{ width: auto; }", "{ width: 100%; }", ("prepare",)
    ),
    "a docstring in the converter": Edit("mimic3d/conversion/conversion.py", '"""', '"""O', ()),
    "a docstring in a layer": Edit(
        "mimic3d/networks/layers.py", '"""', '"""Other. ', ("pretrain", "imitate", "evaluate")
    ),
    "a comment in a loss": Edit(
        "mimic3d/losses/density.py", "import torch\n", "import torch  # mind\n",
        ("pretrain", "imitate"),
    ),
    "a reformatting": Edit(
        "mimic3d/losses/density.py", "from torch import Tensor\n",
        "from torch import (\n    Tensor,\n)\n", ("pretrain", "imitate"),
    ),
    "a metric of evaluate only": Edit(
        "mimic3d/metrics/kernel.py", "import torch\n", "import torch\n\nX = 1\n", ("evaluate",)
    ),
    "a metric of the monitor": Edit(
        "mimic3d/metrics/frechet.py", "import torch\n", "import torch\n\nX = 1\n",
        ("pretrain", "imitate", "evaluate"), ("pretrain", "imitate"),
    ),
    "a layer": Edit(
        "mimic3d/networks/layers.py", "import torch\n", "import torch\n\nX = 1\n",
        ("pretrain", "imitate", "evaluate"), ("pretrain", "imitate"),
    ),
    "a loss": Edit(
        "mimic3d/losses/density.py", "import torch\n", "import torch\n\nX = 1\n",
        ("pretrain", "imitate"), ("pretrain", "imitate"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The code of this project, its dvc.yaml, and a lock that says that all is done."""
    root = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("mimic3d", "stages", "pipeline"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    shutil.copy(ROOT / "tests" / "tiny_params.yaml", root / "params.yaml")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    entries = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    for entry in entries.values():  # what is no code is there and stays
        for each in [*entry["deps"], *map(_path, entry["outs"] + entry.get("metrics", []))]:
            path = root / each.replace("${prepare.name}", "tiny")
            if path.parts[len(root.parts)] not in ("mimic3d", "stages") and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("there") if path.suffix else path.mkdir()
        for each in map(_path, entry.get("plots", [])):
            (root / each).write_text("there")
    with contextlib.chdir(root), Repo() as repo:
        repo.commit(None, force=True)
    return root


def _path(entry: object) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))  # type: ignore[call-overload]


def codes(root: Path) -> dict[str, dict[str, str]]:
    return {
        stage: hash_modules([f"stages.{stage}"], LOOKS_ONLY, root)
        for stage in ("pretrain", "imitate")
    }


def reruns(root: Path) -> set[str]:
    with contextlib.chdir(root), Repo() as repo, repo.lock:
        return {
            stage.name for stage in repo.index.stages if stage.name in STAGES and stage.changed()
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_what_an_edit_costs(checkout, name):
    edit = EDITS[name]
    path, before = checkout / edit.file, codes(checkout)
    text = path.read_text()
    assert edit.old in text
    path.write_text(text.replace(edit.old, edit.new, 1))
    try:
        assert reruns(checkout) == set(edit.reruns)
        after = codes(checkout)
        assert {each for each in before if before[each] != after[each]} == set(edit.trains)
    finally:
        path.write_text(text)
