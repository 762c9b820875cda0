"""Writes a prepared dataset: Parquet shards that `datasets` reads, rejects and the manifest.

The bytes depend on the samples alone, so the same dataset has the same DVC hash every time.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Features, Image, List, Value
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, cameras_from_labels, position_angles, rotation_angles
from mimic3d.data.sample import Rejected, Sample
from mimic3d.data.schema import (
    REJECTS,
    SPLITS,
    Manifest,
    content_record,
    fingerprint_of,
    save_manifest,
)

ROW_GROUP = 256  # images; the unit of random access in a shard
WEIGHT = 1.0  # of every image: no source rebalances poses
SHARD_BYTES = 2**28  # raw pixels per shard; shards of this size suit DVC and object stores

FEATURES = Features(
    {
        "image": Image(),
        "cam2world": List(Value("float32"), length=16),
        "intrinsics": List(Value("float32"), length=9),
        "image_id": Value("string"),
        "identity": Value("string"),
        "mirror_ok": Value("bool"),
        "yaw": Value("float32"),
        "pitch": Value("float32"),
        "roll": Value("float32"),
        "radius": Value("float32"),
        "yaw_rot": Value("float32"),
        "weight": Value("float32"),
        "source": Value("string"),
        "source_sha256": Value("string"),
        "estimator": Value("string"),
        "confidence": Value("float32"),
        "reproj_px": Value("float32"),
        "crop": List(Value("float32"), length=8),
        "mask": Image(),
        "depth": Value("binary"),
        "factors": List(Value("float32")),
    }
)


def shard_images(resolution: int) -> int:
    """Images per shard: whole row groups, about SHARD_BYTES of raw pixels."""
    return max(1, SHARD_BYTES // (3 * resolution**2 * ROW_GROUP)) * ROW_GROUP


@dataclass
class DatasetWriter:
    """Collects samples in a folder; `finish` makes it a dataset."""

    folder: Path
    scene: Scene
    mirror: bool
    images_per_shard: int
    records: list[str] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    labels: list[Float[Tensor, "n 25"]] = field(default_factory=list)
    rows: dict[str, list[Sample]] = field(default_factory=dict)
    files: dict[str, pq.ParquetWriter] = field(default_factory=dict)

    def add(self, split: str, sample: Sample) -> None:
        """Appends one image to a split."""
        rows = self.rows.setdefault(split, [])
        rows.append(sample)
        self.counts[split] += 1
        if len(rows) == ROW_GROUP or self.counts[split] % self.images_per_shard == 0:
            self._flush(split)
        if self.counts[split] % self.images_per_shard == 0:
            self.files.pop(split).close()

    def add_reject(self, rejected: Rejected) -> None:
        """Notes an image that is left out."""
        self.rejects.append(rejected)

    def finish(
        self, name: str, source: str, resolution: int, resize_filter: str, licence: str
    ) -> Manifest:
        """The manifest, written beside the shards under their final names and the rejects."""
        for split in list(self.rows):
            self._flush(split)
        for file in self.files.values():
            file.close()
        for split in SPLITS:
            parts = sorted(self.folder.glob(f"{split}-?????.parquet"))
            for index, part in enumerate(parts):
                part.rename(self.folder / f"{split}-{index:05d}-of-{len(parts):05d}.parquet")
        self._write_rejects()
        labels = torch.cat(self.labels)
        manifest = Manifest(
            name=name,
            source=source,
            counts={split: self.counts[split] for split in SPLITS},
            resolution=resolution,
            resize_filter=resize_filter,
            scene=self.scene,
            mirror=self.mirror,
            average_label=tuple(labels.double().mean(dim=0).tolist()),
            label_std=tuple(labels.double().std(dim=0, correction=0).tolist()),
            poses=pose_statistics(labels, self.scene),
            fingerprint=fingerprint_of(self.records, self.scene, self.mirror),
            licence=licence,
        )
        save_manifest(self.folder, manifest)
        return manifest

    def train_yaws(self) -> Float[np.ndarray, " n"]:
        """Yaw of every training image by position, rad."""
        cameras = cameras_from_labels(torch.cat(self.labels))
        return position_angles(cameras, self.scene.orbit_center)[0].numpy()

    def _flush(self, split: str) -> None:
        samples = self.rows.pop(split, [])
        if not samples:
            return
        cameras = Cameras(
            torch.from_numpy(np.stack([sample.pose.cam2world for sample in samples])),
            torch.from_numpy(np.stack([sample.pose.intrinsics for sample in samples])),
        )
        if split == "train":
            self.labels.append(cameras.labels())
        rows = _rows(samples, cameras, self.scene, self.mirror)
        for sample in samples:
            camera = _camera_bytes(sample)
            record = content_record(split, sample.image_id, sample.pixels_sha256, camera, WEIGHT)
            self.records.append(record)
        if split not in self.files:
            index = (self.counts[split] - 1) // self.images_per_shard
            path = self.folder / f"{split}-{index:05d}.parquet"
            self.files[split] = pq.ParquetWriter(
                path, FEATURES.arrow_schema, compression="NONE", use_dictionary=False
            )
        table = pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema)
        self.files[split].write_table(table, row_group_size=ROW_GROUP)

    def _write_rejects(self) -> None:
        schema = pa.schema(
            [
                ("image_id", pa.string()),
                ("gate", pa.string()),
                ("value", pa.float64()),
                ("threshold", pa.float64()),
            ]
        )
        rows = [{"image_id": item.image_id, **vars(item.reject)} for item in self.rejects]
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), self.folder / REJECTS)


def _camera_bytes(sample: Sample) -> bytes:
    """The camera as it enters the fingerprint: 25 little-endian float32."""
    pose = sample.pose
    return np.concatenate([pose.cam2world.ravel(), pose.intrinsics.ravel()]).astype("<f4").tobytes()


def _rows(
    samples: list[Sample], cameras: Cameras, scene: Scene, mirror: bool
) -> list[dict[str, object]]:
    yaw, pitch, radius = position_angles(cameras, scene.orbit_center)
    yaw_rot, _, roll = rotation_angles(cameras)
    angles = {"yaw": yaw, "pitch": pitch, "roll": roll, "radius": radius, "yaw_rot": yaw_rot}
    columns = {name: values.tolist() for name, values in angles.items()}
    return [
        {
            "image": {"bytes": sample.image, "path": None},
            "cam2world": sample.pose.cam2world.ravel(),
            "intrinsics": sample.pose.intrinsics.ravel(),
            "image_id": sample.image_id,
            "identity": sample.identity,
            "mirror_ok": mirror,
            **{name: values[index] for name, values in columns.items()},
            "weight": WEIGHT,
            "source": sample.source,
            "source_sha256": sample.source_sha256,
            "estimator": sample.estimator,
            "confidence": sample.pose.confidence,
            "reproj_px": sample.pose.reproj_px,
            "crop": sample.pose.crop,
            "mask": None if sample.mask is None else {"bytes": sample.mask, "path": None},
            "depth": sample.depth,
            "factors": sample.factors,
        }
        for index, sample in enumerate(samples)
    ]


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
