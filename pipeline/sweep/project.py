"""The project folder of a trial: parameters, results and state of its own, the rest linked."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PARAMS = "params.yaml"
OWN = (PARAMS, "reports", "runs", "state", "data")
"""What is not linked as a whole."""
NEVER = ("dvc.lock", "mlartifacts", "mlflow.db", "mlruns")
"""What a trial must not see, beside hidden files."""


def build_project(folder: Path, root: Path, stages: Sequence[str]) -> None:
    """Makes `folder` a project like `root` for these stages, whatever of it is there already.

    Datasets and the results of other stages are links to those of `root`: stages replace whole
    folders when they write, which replaces a link and never what it leads to.
    """
    for name in ("reports", "runs", "state", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (root / "cache").mkdir(exist_ok=True)
    kept = [path for path in root.iterdir() if not path.name.startswith((".", *NEVER))]
    inputs = [*_entries(root / "data"), *_entries(root / "runs")]
    own = [root / "runs" / stage for stage in stages]
    for path in [each for each in kept if each.name not in OWN] + inputs:
        link = folder / path.relative_to(root)
        if path not in own and not os.path.lexists(link):
            link.symlink_to(path.resolve())


def write_params(folder: Path, root: Path, overrides: Mapping[str, Any]) -> None:
    """Writes params.yaml of `root`, with these values by dotted key, into `folder`."""
    yaml = YAML()
    sections = yaml.load(root / PARAMS)
    for key, value in overrides.items():
        *groups, name = key.split(".")
        place = sections
        for group in groups:
            if not isinstance(place.get(group), dict):
                place[group] = {}
            place = place[group]
        place[name] = value
    draft = folder / f".part-{os.getpid()}-{PARAMS}"
    yaml.dump(sections, draft)
    draft.replace(folder / PARAMS)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
