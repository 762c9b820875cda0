"""The project folder of a trial: parameters, results and state of its own, the rest linked."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mimic3d.atomic import atomic_file
from pipeline.project import ARTIFACTS, CACHE, DATA, DATABASE, REPORTS, RESULTS, STATES

PARAMS = "params.yaml"
FOLDERS = (REPORTS, RESULTS, STATES, DATA)
OWN = (PARAMS, *FOLDERS)
"""Names that are not linked as a whole."""
NEVER = ("dvc.lock", ARTIFACTS, DATABASE, "mlruns")
"""Names that a trial must not see, beside hidden files."""


def build_project(folder: Path, root: Path, stages: Sequence[str]) -> None:
    """Makes `folder` a project like `root` for these stages, whatever of it is there already.

    Datasets and the results of other stages are links to those of `root`: stages replace whole
    folders when they write, which replaces a link and never what it leads to.
    """
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (root / CACHE).mkdir(exist_ok=True)
    kept = [path for path in root.iterdir() if not path.name.startswith((".", *NEVER))]
    inputs = [*_entries(root / DATA), *_entries(root / RESULTS)]
    own = [root / RESULTS / stage for stage in stages]
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
    with atomic_file(folder / PARAMS) as tmp:
        yaml.dump(sections, tmp)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
