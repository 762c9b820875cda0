"""Place of the prepared dataset of a project."""

import re
from pathlib import Path

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
