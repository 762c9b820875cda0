"""Samples and rejects as rows of tables: columns of the shards, and of partial datasets."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from datasets import Features, Image, List, Value
from jaxtyping import Float32

from mimic3d.cameras import Cameras, Scene, position_angles, rotation_angles
from mimic3d.preparation.pose import PoseResult
from mimic3d.preparation.reasons import explain
from mimic3d.preparation.sample import Rejected, Sample

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
PHOTO_FEATURES = Features(
    FEATURES
    | {
        "photo": {
            "file": Value("string"),
            "number": Value("int32"),
            "width": Value("int32"),
            "height": Value("int32"),
            "box": List(Value("float32")),
            "score": Value("float32"),
            "colours": Value("string"),
            "focal_mm": Value("float32"),
            "focal_35mm": Value("float32"),
        }
    }
)
"""Columns of datasets of photos; `photo` is a `PhotoOrigin`."""
SHARD_SCHEMA: pa.Schema = FEATURES.arrow_schema
PHOTO_SCHEMA: pa.Schema = PHOTO_FEATURES.arrow_schema
KEPT_SCHEMA: pa.Schema = pa.schema(
    [
        *PHOTO_SCHEMA,
        ("split", pa.string()),
        ("pixels_sha256", pa.string()),
        ("dhash", pa.uint64()),
        ("miniature", pa.binary()),
        ("landmarks", pa.list_(pa.float32())),
    ]
)
"""A kept image in a partial dataset; landmarks in shares of the crop from its top left, x first."""
REJECTS_SCHEMA: pa.Schema = pa.schema(
    [
        ("image_id", pa.string()),
        ("gate", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("reason", pa.string()),
    ]
)
REJECTED_SCHEMA: pa.Schema = pa.schema(
    [
        *REJECTS_SCHEMA,
        ("split", pa.string()),
        ("yaw", pa.float32()),
        ("pitch", pa.float32()),
        ("roll", pa.float32()),
        ("confidence", pa.float32()),
        ("reproj_px", pa.float32()),
        ("thumbnail", pa.binary()),
    ]
)
"""A rejected image in a partial dataset; its pose is null unless it got that far."""


def kept_table(
    splits: Sequence[str], samples: Sequence[Sample], scene: Scene, mirror: bool
) -> pa.Table:
    """Kept images as rows, of weight 1."""
    if not samples:
        return KEPT_SCHEMA.empty_table()
    angles = _angles([sample.pose for sample in samples], scene)
    rows = [
        {
            "image": {"bytes": sample.image, "path": None},
            "cam2world": sample.pose.cam2world.ravel(),
            "intrinsics": sample.pose.intrinsics.ravel(),
            "image_id": sample.image_id,
            "identity": sample.identity,
            "mirror_ok": mirror,
            **{name: values[index] for name, values in angles.items()},
            "weight": 1.0,
            "source": sample.source,
            "source_sha256": sample.source_sha256,
            "estimator": sample.estimator,
            "confidence": sample.pose.confidence,
            "reproj_px": sample.pose.reproj_px,
            "crop": sample.pose.crop,
            "mask": None if sample.mask is None else {"bytes": sample.mask, "path": None},
            "depth": sample.depth,
            "factors": sample.factors,
            "photo": None if sample.photo is None else vars(sample.photo),
            "split": split,
            "pixels_sha256": sample.pixels_sha256,
            "dhash": sample.dhash,
            "miniature": sample.miniature,
            "landmarks": _landmarks_in_crop(sample.pose),
        }
        for index, (split, sample) in enumerate(zip(splits, samples, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=KEPT_SCHEMA)


def rejected_table(splits: Sequence[str], rejects: Sequence[Rejected], scene: Scene) -> pa.Table:
    """Rejected images as rows."""
    rows = []
    for split, item in zip(splits, rejects, strict=True):
        row = {"image_id": item.image_id, **vars(item.reject), "reason": explain(item)}
        row |= {"split": split, "thumbnail": item.thumbnail or None}
        if item.pose is not None and np.isfinite(item.pose.cam2world).all():
            angles = _angles([item.pose], scene)
            row |= {name: angles[name][0] for name in ("yaw", "pitch", "roll")}
            row |= {"confidence": item.pose.confidence, "reproj_px": item.pose.reproj_px}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=REJECTED_SCHEMA)


def _angles(poses: Sequence[PoseResult], scene: Scene) -> dict[str, list[float]]:
    cameras = Cameras(
        torch.from_numpy(np.stack([pose.cam2world for pose in poses])),
        torch.from_numpy(np.stack([pose.intrinsics for pose in poses])),
    )
    yaw, pitch, radius = position_angles(cameras, scene.orbit_center)
    yaw_rot, _, roll = rotation_angles(cameras)
    angles = {"yaw": yaw, "pitch": pitch, "roll": roll, "radius": radius, "yaw_rot": yaw_rot}
    return {name: values.tolist() for name, values in angles.items()}


def _landmarks_in_crop(pose: PoseResult) -> Float32[np.ndarray, " k"] | None:
    if pose.landmarks is None:
        return None
    corners = np.array(pose.crop).reshape(4, 2)
    edges = np.stack([corners[1] - corners[0], corners[3] - corners[0]], axis=1)
    shares = np.linalg.solve(edges, (pose.landmarks - corners[0]).T).T
    return shares.astype(np.float32).ravel()
