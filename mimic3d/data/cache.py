"""Raw arrays of a split, memory-mapped, which training reads instead of PNG files."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from einops import rearrange
from filelock import FileLock
from jaxtyping import Float32, UInt8

from mimic3d.data.images import decode_png
from mimic3d.data.schema import Manifest, find_shards

DECODERS = 2  # PNG decoding frees the interpreter lock; more would starve sibling ranks
ROWS = 256  # decoded at a time
COLUMNS = ["image", "cam2world", "intrinsics", "weight", "mask", "depth"]

Layout = dict[str, tuple[tuple[int, ...], Literal["|u1", "<f4"]]]


@dataclass(frozen=True)
class RawSplit:
    """Arrays of one split; images and depth stay on disk until they are read."""

    images: UInt8[np.ndarray, "n 3 h w"]
    labels: Float32[np.ndarray, "n 25"]
    weights: Float32[np.ndarray, " n"]
    alpha: UInt8[np.ndarray, "n h w"] | None
    depth: Float32[np.ndarray, "n h w"] | None


def open_cache(folder: Path, manifest: Manifest, split: str, cache: Path) -> RawSplit:
    """The raw arrays of a split, built from the shards in `folder` unless they lie there already.

    Any number of processes may call this at once: one builds beside the final place and renames,
    the others wait. A cache of the wrong size is built again.

    Raises:
        ValueError: The shards of the split are not those of the manifest.
    """
    place = cache / f"{manifest.fingerprint[:16]}-{split}-{manifest.resolution}"
    layout = _layout(manifest, split)
    raw = _open(place, layout)
    if raw is None:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{place.name}.lock"):
            raw = _open(place, layout)  # another process may have built it meanwhile
            if raw is None:
                _build(folder, split, place, layout)
                raw = _open(place, layout)
    if raw is None:
        raise ValueError(f"the cache {place} changes while it is read; delete it and start again")
    return raw


def _layout(manifest: Manifest, split: str) -> Layout:
    num, side = manifest.counts[split], manifest.resolution
    layout: Layout = {
        "images": ((num, 3, side, side), "|u1"),
        "labels": ((num, 25), "<f4"),
        "weights": ((num,), "<f4"),
    }
    if split == "eval_multiview":
        layout |= {"alpha": ((num, side, side), "|u1"), "depth": ((num, side, side), "<f4")}
    return layout


def _open(place: Path, layout: Layout) -> RawSplit | None:
    arrays = {}
    for name, (shape, dtype) in layout.items():
        path = place / f"{name}.raw"
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if not path.is_file() or path.stat().st_size != size:
            return None
        arrays[name] = np.memmap(path, dtype=dtype, mode="r", shape=shape).view(np.ndarray)
    return RawSplit(
        images=arrays["images"],
        labels=arrays["labels"],
        weights=arrays["weights"],
        alpha=arrays.get("alpha"),
        depth=arrays.get("depth"),
    )


def _build(folder: Path, split: str, place: Path, layout: Layout) -> None:
    part = place.with_name(f"{place.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        num = 0
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(DECODERS))
            files = {n: stack.enter_context((part / f"{n}.raw").open("wb")) for n in layout}
            for shard in find_shards(folder, split):
                for rows in pq.ParquetFile(shard).iter_batches(ROWS, columns=COLUMNS):
                    num += rows.num_rows
                    for name, array in _decode(rows, pool).items():
                        if name in files:
                            files[name].write(array.astype(layout[name][1], copy=False).tobytes())
        expected = layout["weights"][0][0]
        if num != expected:
            raise ValueError(
                f"{folder} must hold {expected} images of the split {split}, holds {num}; "
                "run prepare again"
            )
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _decode(rows: pa.RecordBatch, pool: ThreadPoolExecutor) -> dict[str, np.ndarray]:
    columns = {name: rows.column(name).to_pylist() for name in COLUMNS}
    pixels = np.stack(list(pool.map(decode_png, [image["bytes"] for image in columns["image"]])))
    cameras = [columns["cam2world"], columns["intrinsics"]]
    arrays = {
        "images": rearrange(pixels, "n h w c -> n c h w"),
        "labels": np.concatenate([np.asarray(numbers) for numbers in cameras], axis=1),
        "weights": np.asarray(columns["weight"]),
    }
    if columns["depth"][0] is not None:
        arrays["alpha"] = np.stack([decode_png(mask["bytes"]) for mask in columns["mask"]])
        depth = np.frombuffer(b"".join(columns["depth"]), dtype="<f4")
        arrays["depth"] = depth.reshape(arrays["alpha"].shape)
    return arrays
