"""Parquet shards that `datasets` reads, and the manifest, of a partial dataset that is complete.

The bytes depend on the samples alone, so the same dataset has the same DVC hash every time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mimic3d.cameras import Scene, cameras_from_labels, position_angles
from mimic3d.data.schema import (
    REJECTS,
    SPLITS,
    Manifest,
    Normalization,
    Subjects,
    content_record,
    fingerprint_of,
    save_manifest,
)
from mimic3d.preparation.partial_dataset import PartialDataset, Place
from mimic3d.preparation.review import ImageOutcome, rejects_table
from mimic3d.preparation.rows import SHARD_SCHEMA

ROW_GROUP = 256  # images; the unit of random access in a shard
SHARD_BYTES = 2**28  # raw pixels per shard; shards of this size suit DVC and object stores


@dataclass(frozen=True)
class DatasetInfo:
    """Facts of a manifest that the images do not tell."""

    name: str
    source: str
    resolution: int
    resize_filter: str
    scene: Scene
    mirror: bool
    licence: str
    normalization: Normalization | None = None
    subjects: Subjects | None = None
    notes: list[str] | None = None


def shard_images(resolution: int) -> int:
    """Images per shard: whole row groups, about SHARD_BYTES of raw pixels."""
    return max(1, SHARD_BYTES // (3 * resolution**2 * ROW_GROUP)) * ROW_GROUP


def write_dataset(
    folder: Path,
    partial: PartialDataset,
    outcomes: Sequence[ImageOutcome],
    weights: Float32[np.ndarray, " n"],
    info: DatasetInfo,
    images_per_shard: int,
    schema: pa.Schema = SHARD_SCHEMA,
) -> Manifest:
    """Shards, rejects and manifest of the kept images, in an empty folder.

    `schema` is SHARD_SCHEMA, or PHOTO_SCHEMA for photos. `weights` are of the kept images, in
    their order.
    """
    kept = [item for item in outcomes if item.is_kept]
    weight_of = dict(zip([item.place for item in kept], weights.tolist(), strict=True))
    records: list[str] = []
    labels: list[Float32[np.ndarray, "n 25"]] = []
    for split in SPLITS:
        shards = _Shards(folder, split, images_per_shard, schema)
        for table in _tables(partial, [item for item in kept if item.split == split], weight_of):
            records += _records(split, table)
            if split == "train":
                labels.append(_labels(table))
            shards.add(table.select(schema.names).cast(schema))
        shards.close()
    pq.write_table(rejects_table(outcomes), folder / REJECTS)
    train = torch.from_numpy(np.concatenate(labels))
    manifest = Manifest(
        **vars(info),
        counts={split: sum(item.split == split for item in kept) for split in SPLITS},
        average_label=tuple(train.double().mean(dim=0).tolist()),
        label_std=tuple(train.double().std(dim=0, correction=0).tolist()),
        poses=pose_statistics(train, info.scene),
        fingerprint=fingerprint_of(records, info.scene, info.mirror),
    )
    save_manifest(folder, manifest)
    return manifest


def pose_statistics(labels: Float[Tensor, "n 25"], scene: Scene) -> dict[str, float]:
    """Mean, deviation and quantiles of yaw and pitch (rad), by position about orbit_center."""
    yaw, pitch, _ = position_angles(cameras_from_labels(labels), scene.orbit_center)
    statistics = {}
    for name, values in (("yaw", yaw.double()), ("pitch", pitch.double())):
        low, middle, high = np.quantile(values.numpy(), [0.05, 0.5, 0.95]).tolist()
        statistics |= {
            f"{name}_mean_rad": values.mean().item(),
            f"{name}_std_rad": values.std(correction=0).item(),
            f"{name}_q05_rad": low,
            f"{name}_q50_rad": middle,
            f"{name}_q95_rad": high,
        }
    return statistics


class _Shards:
    """The files of one split, written row group by row group."""

    def __init__(self, folder: Path, split: str, images_per_shard: int, schema: pa.Schema) -> None:
        self._schema = schema
        self._folder = folder
        self._split = split
        self._size = images_per_shard
        self._rows = schema.empty_table()
        self._files: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._room = 0  # images that the open file still takes

    def add(self, table: pa.Table) -> None:
        """Appends images."""
        self._rows = pa.concat_tables([self._rows, table])
        while len(self._rows) >= self._next():
            self._flush(self._next())

    def close(self) -> None:
        """Writes the remaining images and gives the files their names."""
        if len(self._rows):
            self._flush(len(self._rows))
        if self._writer is not None:
            self._writer.close()
        for index, part in enumerate(self._files):
            part.rename(
                self._folder / f"{self._split}-{index:05d}-of-{len(self._files):05d}.parquet"
            )

    def _next(self) -> int:
        """Images of the next row group."""
        return min(ROW_GROUP, self._room or self._size)

    def _flush(self, num: int) -> None:
        if self._writer is None:
            path = self._folder / f"{self._split}-{len(self._files):05d}.parquet"
            self._files.append(path)
            self._room = self._size
            self._writer = pq.ParquetWriter(
                path, self._schema, compression="NONE", use_dictionary=False
            )
        self._writer.write_table(self._rows.slice(0, num).combine_chunks(), row_group_size=num)
        self._rows = self._rows.slice(num)
        self._room -= num
        if self._room == 0:
            self._writer.close()
            self._writer = None


def _tables(
    partial: PartialDataset, kept: Sequence[ImageOutcome], weight_of: Mapping[Place, float]
) -> Iterator[pa.Table]:
    """The rows of the kept images, part by part, with their weights."""
    for part, group in groupby(kept, key=lambda item: item.part):
        items = list(group)
        table = partial.kept(part).take([item.row for item in items])
        place = table.column_names.index("weight")
        weights = pa.array([weight_of[item.place] for item in items], pa.float32())
        yield table.set_column(place, "weight", weights)


def _labels(table: pa.Table) -> Float32[np.ndarray, "n 25"]:
    columns = [_matrix(table["cam2world"], 16), _matrix(table["intrinsics"], 9)]
    return np.concatenate(columns, axis=1)


def _matrix(column: pa.ChunkedArray, width: int) -> Float32[np.ndarray, "n width"]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32, copy=False).reshape(-1, width)


def _records(split: str, table: pa.Table) -> list[str]:
    """The images' lines of the fingerprint."""
    columns = zip(
        table["image_id"].to_pylist(),
        table["pixels_sha256"].to_pylist(),
        _labels(table).astype("<f4"),
        table["weight"].to_pylist(),
        strict=True,
    )
    return [
        content_record(split, image_id, sha256, camera.tobytes(), weight)
        for image_id, sha256, camera, weight in columns
    ]
