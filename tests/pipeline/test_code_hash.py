"""What changes the hash of code and what does not, on every Python alike."""

import ast
from pathlib import Path

import grimp
import pytest

from pipeline.code_hash import PACKAGES, changed_modules, hash_modules, hash_syntax, join_hashes

CODE = '''
"""Docstring of a module."""

from dataclasses import dataclass

SCALE = 0.5  # a comment


@dataclass(frozen=True)
class Loss(Base):
    """Docstring of a class."""

    weight: float = 1.0
    """Docstring of an attribute."""

    def value(self, *images: "Float[Tensor, 'n 3 h w']", eps: float = 1e-8) -> float:
        """Docstring of a function."""
        if not images:
            raise ValueError(f"{self.weight=:.3f} of {len(images):>{eps}}" f" {images!r}" "")
        match images:
            case [first, *_] if (n := len(first)) > 1:
                return sum(x**2 for x in first) / n
        return {**vars(self), "a": lambda x, /, y=None, *, z: x @ y}["a"]
'''
FROZEN = "c7becdb574e3"


def digest(code: str) -> str:
    return hash_syntax(ast.parse(code))


def test_it_is_the_same_on_every_python():
    assert digest(CODE).startswith(FROZEN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another one"),
        ("SCALE = 0.5", "\n\nSCALE = .50"),
        ('"""Docstring of a module."""', ""),
        ("Docstring of a class", "Docs"),
        ('    """Docstring of an attribute."""\n', ""),
        ('"""Docstring of a function."""', '"""Other\n\n        lines."""; pass'),
        ("raise ValueError(f", "raise ValueError(\n                f"),
        ("'n 3 h w'", r"'n 3\x20h w'"),
        ('" {images!r}" ""', '" " f"{images!r}"'),
        ("sum(x**2 for x in first) / n", "(sum((x ** 2) for x in first)) / n"),
        ('{**vars(self), "a"', "{**vars(self,), 'a'"),
    ],
)
def test_what_says_nothing_changes_nothing(old, new):
    assert CODE.count(old) == 1
    assert digest(CODE.replace(old, new)) == digest(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.25"),
        ("1.0", "1"),
        ("x**2", "x**3"),
        ("frozen=True", "frozen=False"),
        ("weight: float", "weight: int"),
        ("n 3 h w", "n 4 h w"),
        ("=:.3f}", "=:.4f}"),
        ("!r}", "!s}"),
        ("of {len", "for {len"),
        ("/, y", "y"),
        ("*, z", "z=0"),
        ("not images", "images"),
        ("(Base)", ""),
    ],
)
def test_what_means_something_changes_it(old, new):
    assert CODE.count(old) == 1
    assert digest(CODE.replace(old, new)) != digest(CODE)


@pytest.mark.parametrize("stage", ["prepare", "pretrain", "imitate", "evaluate"])
def test_modules_are_those_that_a_tool_of_its_own_finds(stage):
    """Packages above a module run as well."""
    graph = grimp.build_graph("mimic3d", "stages", "pipeline")
    upstream = graph.find_upstream_modules(f"stages.{stage}") | {f"stages.{stage}"}
    ours = {module for module in upstream if module.startswith(PACKAGES)}
    above = {
        module.rsplit(".", end)[0] for module in ours for end in range(1, module.count(".") + 1)
    }
    assert hash_modules([f"stages.{stage}"]).keys() == ours | above


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def code(tmp_path):
    return write(
        tmp_path,
        {
            "stages/__init__.py": "",
            "stages/train.py": "import numpy, mimic3d.loss as loss\nfrom . import draw\n",
            "stages/draw.py": "from mimic3d import page\n",
            "stages/other.py": "import stages.train",
            "mimic3d/__init__.py": "",
            "mimic3d/loss.py": "def f():\n    from .deep.layers import conv\n",
            "mimic3d/deep/__init__.py": "from ..cameras import look\n",
            "mimic3d/deep/layers.py": "import pipeline.run, missing\n",
            "mimic3d/cameras.py": "look = 1\n",
            "mimic3d/page.py": "STYLE = 'blue'\n",
            "pipeline/run.py": "import mimic3d.never\n",
            "mimic3d/never.py": "",
        },
    )


def test_imports_of_imports_count_wherever_they_stand(code):
    assert set(hash_modules(["stages.train"], folder=code)) == {
        "stages", "stages.train", "stages.draw", "mimic3d", "mimic3d.loss", "mimic3d.deep",
        "mimic3d.deep.layers", "mimic3d.cameras", "mimic3d.page",
    }  # fmt: skip


def test_what_is_ignored_takes_along_what_only_it_imports(code):
    kept = set(hash_modules(["stages.train"], ("stages.draw",), code))
    assert not kept & {"stages.draw", "mimic3d.page"}
    assert "mimic3d.cameras" in kept


def test_changes_are_named(code):
    before = hash_modules(["stages.train"], folder=code)
    changes = {
        "mimic3d/cameras.py": "look = 2\n",
        "mimic3d/page.py": "STYLE  =  'blue'#\n",
        "mimic3d/never.py": "x = 1",
        "mimic3d/loss.py": "import mimic3d.deep.layers",
    }
    write(code, changes)
    after = hash_modules(["stages.train"], folder=code)
    assert changed_modules(before, after) == ["mimic3d.cameras", "mimic3d.loss"]
    assert join_hashes(before) != join_hashes(after)


def test_a_file_that_is_no_python_is_named(code):
    write(code, {"mimic3d/loss.py": "def f(:\n"})
    with pytest.raises(ValueError, match=r"loss\.py must be valid Python, line 1 is not"):
        hash_modules(["stages.train"], folder=code)
