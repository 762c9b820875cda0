"""Experiments of DVC in temporary workspaces: what git ignores is not there by itself."""

from pathlib import Path

from pipeline.project import DATA, INPUTS, ProjectPaths
from pipeline.yaml_file import load_yaml


def require_inputs(root: Path, stage: str) -> None:
    """Refuses to run a stage on inputs that DVC did not take along, which look like other data.

    Raises:
        ValueError: the project has files that the workspace at `root` lacks.
    """
    home = ProjectPaths(root).home
    if home == root or not (root / "dvc.yaml").exists():
        return
    stages = load_yaml(root / "dvc.yaml", "run this in the project folder")["stages"]
    deps = stages.get(stage, {}).get("deps", [])
    for name in (f"{DATA}/{each}" for each in INPUTS):
        lacking = _entries(home / name) - _entries(root / name)
        if name in deps and lacking:
            first = f"{name}/{min(lacking)}"
            more = f", and so on for {len(lacking)} of them" if len(lacking) > 1 else ""
            raise ValueError(
                f"{stage}: {name} must be in an experiment's workspace as it is in the project, "
                f"lacks {first}, which git ignores; take it along with `dvc exp run "
                f"--copy-paths {first}`{more}"
            )


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
