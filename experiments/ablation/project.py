"""The project folder of one size: its own parameters and dataset, code and cluster.yaml linked."""

import hashlib
import json
from pathlib import Path

from ruamel.yaml import YAML

from experiments.ablation.design import Design, Size
from experiments.ablation.trials import STAGES
from mimic3d.atomic import atomic_file
from pipeline.project import ProjectPaths
from pipeline.stage import hash_stages, run_stage, validate
from pipeline.sweep.project import PARAMS, build_project
from pipeline.tracking.tracker import Tracker
from stages.dataset import dataset_folder


def open_project(root: Path, name: str, design: Design, size: Size) -> Path:
    """The folder below state/ablation/; another one when rows, size or code change."""
    content = {
        "params": size.params,
        "size": size.rows,
        "rows": {row: each.overrides for row, each in design.rows.items()},
    }
    digest = hashlib.sha256(json.dumps(content).encode())
    digest.update(hash_stages(("prepare", *STAGES)).encode())
    folder = ProjectPaths(root).states("ablation") / f"{name}-{digest.hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / PARAMS) as tmp:
        YAML().dump(size.params, tmp)
    build_project(folder, root, ("prepare", *STAGES))
    return folder


def prepare_data(folder: Path) -> None:
    """Renders the dataset of a project, once."""
    data = dataset_folder(folder)
    if (data / "manifest.json").exists() and not data.is_symlink():  # links are of other projects
        return
    validate("prepare", folder)
    run_stage("prepare", folder, Tracker())
