"""Presets copied to params.yaml: `make preset NAME=ffhq512`, `python -m tools.preset`."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mimic3d.atomic import atomic_file
from mimic3d.config import Config
from pipeline.params import FILE, load_params
from pipeline.project import DATA
from pipeline.stage import load_config
from stages.prepare import PrepareConfig
from stages.pretrain import PretrainConfig

FOLDER = "presets"
STAGES = ("prepare", "pretrain", "imitate", "evaluate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replaces params.yaml of the project folder and says what to do next; 0 when it is done."""
    parser = argparse.ArgumentParser(prog="mimic3d preset", description=__doc__)
    parser.add_argument("name", nargs="?", default="", help=f"a file of {FOLDER}/, such as ffhq512")
    parser.add_argument("--force", action="store_true", help=f"replace a {FILE} of your own")
    args = parser.parse_args(arguments)
    root = Path.cwd()
    try:
        apply_preset(args.name, root, args.force)
        steps = next_steps(root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{FILE} is now {FOLDER}/{args.name}.yaml. Next:")
    for step in steps:
        print(f"  {step}")
    return 0


def apply_preset(name: str, root: Path, force: bool) -> None:
    """Writes a preset to params.yaml, after a check of all its parameters.

    Raises:
        ValueError: there is no such preset, it does not fit this version, or params.yaml holds
            changes that would be lost.
    """
    presets = {path.stem: path for path in sorted((root / FOLDER).glob("*.yaml"))}
    if name not in presets:
        raise ValueError(
            f"the preset must be one of {', '.join(presets)}, is {name or 'none'}; type for "
            f"example: make preset NAME={next(iter(presets), 'ffhq512')}"
        )
    text = presets[name].read_text()
    resolve(text)
    if not force and not _is_replaceable(root, [path.read_text() for path in presets.values()]):
        raise ValueError(
            f"{FILE} must be a preset or as in the last commit to be replaced, has changes of its "
            f"own; commit or move it, or give them up: make preset NAME={name} FORCE=1"
        )
    with atomic_file(root / FILE) as tmp:
        tmp.write_text(text)


def resolve(text: str) -> dict[str, Config]:
    """The parameters of all stages, as each stage will resolve them from such a params.yaml.

    Raises:
        ValueError: one line per mistake, with the full key.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_text(text)
        return {stage: load_config(stage, Path(folder)) for stage in STAGES}


def next_steps(root: Path) -> list[str]:
    """Steps that a person has to take until the experiment of params.yaml runs."""
    prepare = load_params("prepare", PrepareConfig, root)
    pretrain = load_params("pretrain", PretrainConfig, root)
    steps = []
    images = Path(DATA) / "raw" / prepare.given.path
    if prepare.source == "given" and not (root / images).exists():
        steps.append(f"put or link the images to {images}, in EG3D's layout (prepare.given.path)")
    if pretrain.init_from and not (root / pretrain.init_from).exists():
        steps.append(
            f"put a snapshot into {pretrain.init_from} (pretrain.init_from): the folder "
            f"runs/pretrain/snapshot of that preset, or a converted checkpoint"
        )
    return [*steps, "make repro"]


def _is_replaceable(root: Path, presets: list[str]) -> bool:
    """True if params.yaml can be had again: it is missing, a preset, or as committed."""
    if not (root / FILE).exists():
        return True
    text = (root / FILE).read_text()
    if text in presets:
        return True
    command = ["git", "show", f"HEAD:./{FILE}"]
    try:
        committed = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return committed.returncode == 0 and committed.stdout == text


if __name__ == "__main__":
    sys.exit(main())
