"""`python -m tools.export data/heads heads.zip`: a prepared dataset in the layout of EG3D."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import UInt8

from mimic3d.atomic import atomic_file, atomic_folder, check_new
from mimic3d.cameras import Scene
from mimic3d.data.images import decode_png
from mimic3d.data.schema import SPLITS, find_shards, load_manifest
from mimic3d.preparation.cameras.eg3d import Label, write_eg3d

ROWS = 64  # decoded at a time
COLUMNS = ["image", "cam2world", "intrinsics"]


def export_eg3d(folder: Path, target: Path, splits: Sequence[str]) -> int:
    """Writes images and labels of some splits to a stored zip or a folder; returns how many.

    Without mirrored copies, which EG3D's settings make or not. Nothing that exists is replaced.

    Raises:
        ValueError: The target exists, there is no prepared dataset, or nothing in these splits.
    """
    manifest = load_manifest(folder)
    unknown = [split for split in splits if split not in SPLITS]
    if unknown:
        raise ValueError(f"splits must be of {', '.join(SPLITS)}, {unknown[0]} is none")
    if not sum(manifest.counts.get(split, 0) for split in splits):
        raise ValueError(f"{folder} has no images in {', '.join(splits)}; choose other splits")
    check_new(target, "an export")
    images = (item for split in splits for item in read_split(folder, split))
    if target.suffix.lower() == ".zip":
        with atomic_file(target) as tmp:
            return write_eg3d(images, tmp, is_zip=True)
    with atomic_folder(target) as tmp:
        return write_eg3d(images, tmp, is_zip=False)


def describe_cameras(scene: Scene) -> str:
    """Description of the labels for a trainer, in words: what the layout does not say."""
    center = ", ".join(f"{value:g}" for value in scene.orbit_center)
    pivot = ", ".join(f"{value:g}" for value in scene.pivot)
    return (
        f"Cameras orbit ({center}) at {scene.radius:g}, what is shown lies from {scene.near:g} to "
        f"{scene.far:g} along their rays in a box of {scene.box_warp:g}. EG3D takes none of this "
        f"from the dataset: set in the rendering_options of its train.py ray_start: "
        f"{scene.near:g}, ray_end: {scene.far:g}, box_warp: {scene.box_warp:g}, "
        f"avg_camera_radius: {scene.radius:g}, avg_camera_pivot: [{pivot}]"
    )


def read_split(folder: Path, split: str) -> Iterator[tuple[UInt8[np.ndarray, "h w 3"], Label]]:
    """Pixels and labels (16 numbers cam2world, 9 intrinsics) of a split, in order."""
    for shard in find_shards(folder, split):
        for rows in pq.ParquetFile(shard).iter_batches(ROWS, columns=COLUMNS):
            for row in rows.to_pylist():
                yield decode_png(row["image"]["bytes"]), (*row["cam2world"], *row["intrinsics"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the zip or folder and says how many images are in it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d export", description=__doc__)
    parser.add_argument("dataset", type=Path, help="folder of a prepared dataset")
    parser.add_argument("target", type=Path, help="file .zip, or else a folder")
    parser.add_argument(
        "--split", action="append", choices=SPLITS, help="default: train and val; may be repeated"
    )
    args = parser.parse_args(arguments)
    try:
        num = export_eg3d(args.dataset, args.target, args.split or SPLITS[:2])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{num} images in {args.target}")
    print(describe_cameras(load_manifest(args.dataset).scene))
    return 0


if __name__ == "__main__":
    sys.exit(main())
