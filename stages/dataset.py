"""Place of the prepared dataset of a project, and what it must be for a training."""

import re
from pathlib import Path

from mimic3d.data.schema import Manifest
from mimic3d.losses.opacity import OpacityConfig
from pipeline.params import load_section
from pipeline.project import INPUTS, ProjectPaths


def dataset_folder(root: Path) -> Path:
    """Folder of the prepared dataset: data/<prepare.name>."""
    name = load_section("prepare", root).get("name")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name) or name in INPUTS:
        raise ValueError(
            f"prepare.name must be one plain folder name other than {' and '.join(INPUTS)}, is "
            f"{name!r}; "
            f"the dataset is written to data/<prepare.name>"
        )
    return ProjectPaths(root).dataset(name)


def check_opacity(cfg: OpacityConfig, manifest: Manifest, stage: str) -> None:
    """Reject a cost of empty rays where the dataset has some.

    Raises:
        ValueError: the scene is white, or constant, behind the subjects.
    """
    if cfg.weight and manifest.has_empty_rays:
        raise ValueError(
            f"{stage}.opacity.weight must be 0 where rays can pass beside the subject, as in "
            f"data/{manifest.name}, is {cfg.weight:g}; set it to 0"
        )
