"""`python -m pipeline.states`: the training states of this folder; deletes one on request only."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.cluster import load_settings
from pipeline.code_hash import changed_modules
from pipeline.project import STATES, ProjectPaths
from pipeline.stage import identify, trained_stages
from pipeline.state_options import differing_params
from pipeline.training_state import StateFolder, TrainingIdentity, find_folders

HEADERS = ("stage", "key", "size", "progress", "age", "compared with now")
NAMED = 3  # parameters or modules in a cell


@dataclass(frozen=True)
class StateRow:
    """A folder of training states."""

    stage: str
    key: str
    bytes: int
    nimg: int
    total_nimg: int | None
    """Budget of its last run; None in states of before it was noted."""
    age_seconds: float
    """Time since it was written last."""
    differs: str
    """Difference from what the stage would train now; empty if there is none."""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or JSON, or deletes; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d states", description=__doc__)
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument("--delete", metavar="KEY", nargs="+", help="remove these for good")
    args = parser.parse_args(argv)
    root = Path.cwd()
    try:
        stages = trained_stages(load_settings(root).local)
        if args.delete:
            delete(root, stages, args.delete)
            return 0
        rows = [row for stage in stages for row in list_states(root, stage)]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps([asdict(row) for row in rows], indent=2) if args.json else render(rows))
    return 0


def list_states(root: Path, stage: str) -> list[StateRow]:
    """Rows of a stage, those first that were written last."""
    folders = find_folders(root, stage)
    if not folders:
        return []
    try:
        now = identify(stage, root)
    except ValueError as error:
        now = f"unknown ({error})"
    rows = [_row(stage, folder, now) for folder in folders]
    return sorted(rows, key=lambda row: row.age_seconds)


def delete(root: Path, stages: Sequence[str], keys: Sequence[str]) -> None:
    """Removes folders of states and nothing else; none if one of them cannot be.

    Raises:
        ValueError: there is no such folder, or a training is at work in it.
    """
    folders = {folder.name: folder for stage in stages for folder in find_folders(root, stage)}
    for key in keys:
        if key not in folders:
            raise ValueError(
                f"--delete must name a state below {STATES}/, is {key}; there "
                f"{'are ' + ', '.join(folders) if folders else 'is none'}"
            )
    for key in keys:
        folder = folders[key]
        with folder.locked(root, seconds=0):
            doomed = folder.path.with_name(f".deleted-{key}-{os.getpid()}")
            folder.path.rename(doomed)  # at once: a half of it would be no state
        shutil.rmtree(doomed)
        ProjectPaths(root).state_lock(folder.path.parent.name, key).unlink(missing_ok=True)
        print(f"deleted {STATES}/{folder.path.parent.name}/{key}")


def render(rows: Sequence[StateRow]) -> str:
    """The table; one line if there is nothing to tell."""
    if not rows:
        return f"No training states below {STATES}/."
    table = [HEADERS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def _row(stage: str, folder: StateFolder, now: TrainingIdentity | str) -> StateRow:
    files = [path.stat() for path in folder.path.rglob("*") if path.is_file()]
    newest = max((each.st_mtime for each in files), default=folder.path.stat().st_mtime)
    return StateRow(
        stage,
        folder.name,
        sum(each.st_size for each in files),
        folder.nimg,
        folder.record.get("total_nimg"),
        max(0.0, time.time() - newest),
        now if isinstance(now, str) else _difference(folder, now),
    )


def _difference(folder: StateFolder, now: TrainingIdentity) -> str:
    """Difference from what the stage would train now; empty if there is none."""
    known = folder.identity
    if known is None:
        same = folder.name == now.key_without_code
        return "code unknown" if same else "parameters or inputs, code unknown"
    parts = {
        "parameters": differing_params(known, now),
        "inputs": [] if known.inputs == now.inputs else ["other"],
        "code": changed_modules(known.code, now.code),
    }
    return "; ".join(f"{name}: {_shorten(each)}" for name, each in parts.items() if each)


def _shorten(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _cells(row: StateRow) -> tuple[str, ...]:
    total = "?" if row.total_nimg is None else f"{row.total_nimg / 1000:g}"
    hours, rest = divmod(int(row.age_seconds), 3600)
    age = f"{hours // 24} d" if hours >= 48 else f"{hours}:{rest // 60:02}"
    progress = f"{row.nimg / 1000:g} of {total} kimg"
    return (row.stage, row.key, _size(row.bytes), progress, age, row.differs or "the same")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
