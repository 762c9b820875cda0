"""A prepared dataset on disk: its manifest, the names of its files and its fingerprint."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, ValidationError

from mimic3d.cameras import Scene
from mimic3d.config import Config

VERSION = 1
SPLITS = ("train", "val", "eval_multiview")
EVAL_YAWS_RAD = (-0.4, -0.2, 0.0, 0.05, 0.2, 0.4)  # the views of eval_multiview, at pitch 0
MANIFEST = "manifest.json"
REJECTS = "rejects.parquet"

Label = tuple[float, ...]
Point = tuple[float, float, float]


class Normalization(Config):
    """The similarity x -> scale * rotation (x - pivot), and the scene it suggests."""

    pivot: Point
    """Point where the optical axes meet, in the foreign frame: our origin."""
    rotation: tuple[float, ...] = Field(min_length=9, max_length=9)
    """Rotation matrix, row by row."""
    scale: PositiveFloat
    """Scale, world units per foreign unit."""
    radius_q05: PositiveFloat
    """Distance of the cameras from the origin, 5 % quantile, world units."""
    radius_q95: PositiveFloat
    """Distance of the cameras from the origin, 95 % quantile, world units."""
    axes_miss: float
    """Root mean square distance of the optical axes from the origin, world units."""
    near: PositiveFloat
    """Recommended near: radius_q05 less half the diagonal of the box."""
    far: PositiveFloat
    """Recommended far: radius_q95 and half the diagonal of the box."""
    box_warp: PositiveFloat
    """Recommended box_warp: 1.6 times the width of the view at the origin, as in EG3D's scenes."""


class Subjects(Config):
    """Subjects of a synthetic dataset, and their background and highlights."""

    kind: Literal["heads", "cats"]
    """Kind of the subjects."""
    seed: NonNegativeInt
    """First number of their keys; see `RenderTask.key`."""
    background: Literal["room", "constant"]
    """Background behind them, as in `SyntheticConfig`."""
    specular: NonNegativeFloat
    """Strength of highlights."""


class Manifest(Config):
    """Contents and conventions of a dataset; training reads it and assumes nothing."""

    version: int = VERSION
    """Version of this file and of the columns of the shards."""
    name: str
    """The folder's name below data/."""
    source: str
    """Source of images and cameras: the value of prepare.source."""
    counts: dict[str, int]
    """Images per split, mirrored copies not counted; a missing split has 0."""
    resolution: int
    """Width and height of every image, pixels."""
    resize_filter: str
    """Filter that resized images to this resolution; none for rendered ones."""
    scene: Scene
    """Places of the cameras and of the object."""
    mirror: bool
    """True if mirrored copies count as images of the dataset; they are made when loading."""
    average_label: Label = Field(min_length=25, max_length=25)
    """Mean of the training labels c."""
    label_std: Label = Field(min_length=25, max_length=25)
    """Standard deviation of the training labels c."""
    poses: dict[str, float]
    """Statistics of yaw and pitch of the training split by position about the scene's
    orbit_center, rad: {yaw, pitch}_{mean, std, q05, q50, q95}_rad."""
    fingerprint: str
    """SHA-256 of the content, independent of the layout of the shards; see `fingerprint_of`."""
    licence: str
    """Terms of the images, one line."""
    normalization: Normalization | None = None
    """Similarity applied to cameras that came in a frame of their own; null if none was."""
    subjects: Subjects | None = None
    """Procedural subjects that it shows; null for all other sources."""
    notes: list[str] | None = None
    """Decisions about cameras that came with the images; absent for all other sources."""

    @property
    def has_empty_rays(self) -> bool:
        """True if it is known that rays can pass through the whole scene and meet nothing."""
        if self.subjects is None:
            return self.scene.white_back
        return self.subjects.background == "constant"


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a prepared dataset.

    Raises:
        ValueError: The folder holds no dataset of this version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no prepared dataset ({MANIFEST} is missing); run prepare")
    try:
        manifest = Manifest.model_validate_json(path.read_text())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path} is no manifest: {where}: {first['msg']}; run prepare") from error
    if manifest.version != VERSION:
        raise ValueError(
            f"{path} must have version {VERSION}, has {manifest.version}; run prepare again"
        )
    return manifest


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest so that a reader sees the old one or the new one, never a part."""
    part = folder / f".{MANIFEST}.{os.getpid()}"
    absent = {"notes"} if manifest.notes is None else None
    part.write_text(manifest.model_dump_json(indent=2, exclude=absent) + "\n")
    part.replace(folder / MANIFEST)


def find_shards(folder: Path, split: str) -> list[Path]:
    """The Parquet files of a split, in order; none if the split is empty."""
    return sorted(folder.glob(f"{split}-?????-of-?????.parquet"))


def content_record(
    split: str, image_id: str, pixels_sha256: str, camera: bytes, weight: float
) -> str:
    """Line of an image in the fingerprint."""
    return f"{split}\t{image_id}\t{pixels_sha256}\t{camera.hex()}\t{weight!r}"


def fingerprint_of(records: Iterable[str], scene: Scene, mirror: bool) -> str:
    """SHA-256 of the sorted records, the schema version, the scene and the mirror policy.

    The same images in other shards, in another order or compressed otherwise have the same
    fingerprint. A record names its split too, since caches are kept per split.
    """
    digest = hashlib.sha256(f"{VERSION}\t{mirror}\t{scene.model_dump_json()}\n".encode())
    for record in sorted(records):
        digest.update(f"{record}\n".encode())
    return digest.hexdigest()
