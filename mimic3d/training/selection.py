"""The snapshot of a run that is published, if not the last: the best ones so far, on disk.

A best snapshot is written when it is measured, between two states. All that a run may still need
after it was resumed from one of its states is kept.
"""

import shutil
from pathlib import Path

from torch import nn

from mimic3d.networks.snapshot import Selection, SnapshotMeta, save_snapshot

Row = dict[str, float]
"""Measurements at `nimg`; the smallest value is the best."""


def best_row(rows: list[Row], metric: str) -> Row | None:
    """The row with the smallest value, the earliest of equals; None without measurements."""
    return min(rows, key=lambda row: row[metric], default=None)


def save_if_best(
    folder: Path, rows: list[Row], metric: str, images: str, meta: SnapshotMeta,
    networks: dict[str, nn.Module],
) -> None:  # fmt: skip
    """Write a snapshot below `folder` if the last row, which measured it, is the best so far.

    Raises:
        ValueError: the disk is full.
    """
    newest = rows[-1]
    if best_row(rows, metric) is not newest:
        return
    nimg = int(newest["nimg"])
    selection = Selection(metric=metric, value=newest[metric], images=images)
    stated = meta.model_copy(update={"nimg": nimg, "selection": selection})
    save_snapshot(best_snapshot_path(folder, nimg), stated, networks)


def prune_superseded(folder: Path, rows: list[Row], metric: str, oldest_nimg: int) -> None:
    """Remove what was beaten before `oldest_nimg`, the oldest state a run may be resumed from."""
    best = best_row([row for row in rows if row["nimg"] <= oldest_nimg], metric)
    for path in folder.glob("nimg-*"):
        if best is not None and path.name < best_snapshot_path(folder, int(best["nimg"])).name:
            shutil.rmtree(path)


def best_snapshot_path(folder: Path, nimg: int) -> Path:
    """Folder of the best snapshot after this many images."""
    return folder / f"nimg-{nimg:09d}"
