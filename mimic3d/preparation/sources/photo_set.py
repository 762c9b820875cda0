"""Photos of a source, those left out, and the plan to process them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, PositiveFloat, ValidationError

from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.data.schema import Normalization
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.names import NO_IMAGE, plain, refuse
from mimic3d.preparation.photos.container import Container, open_container
from mimic3d.preparation.photos.photo import Colour
from mimic3d.preparation.pose import PoseEstimator
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.crop import RESIZE_FILTER, Photo, PhotoProcessor, process_photos
from mimic3d.preparation.sources.plan import DatasetPlan, below, choose_splits

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)  # rays that meet nothing end black (EG3D) unless the scene is white


class PhotoSetConfig(Config):
    """Photos, whatever their cameras come from, and the box they show."""

    path: str = "."
    """Folder, zip, folder that `datasets` saved, or Parquet; relative to data/raw/."""
    image_column: str = "image"
    """Column of the images, if they are in a table."""
    identity: Literal["image", "folder"] = "image"
    """Unit of one person or object, and so of one split: each image, or each folder."""
    val_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the identities kept for validation."""
    reject_list: str = ""
    """Text file of images to leave out, a name per line, relative to data/raw/; lines that begin
    with # are comments. NAME leaves out a photo with all its faces, NAME#2 its second face, NAME#1
    its first."""
    licence: str = "not stated"
    """Terms of the images; written into the manifest."""
    near: PositiveFloat | None = None
    """Distance along a ray where sampling starts; null: as the source has it."""
    far: PositiveFloat | None = None
    """Distance along a ray where sampling ends; null: as the source has it."""
    box_warp: PositiveFloat | None = None
    """Side of the cube that the tri-planes span; null: as the source has it."""
    white_back: bool = False
    """True if the background is white; else it is learnt inside the box."""


@dataclass(frozen=True)
class PhotoRequest:
    """Requirements on every photo."""

    resolution: int
    seed: int
    gates: GatesConfig
    alpha: Literal["composite", "drop"]


@dataclass(frozen=True)
class PhotoSet:
    """Photos that were found, and those left out on the way."""

    cfg: PhotoSetConfig
    path: Path
    names: list[str]
    rejected: list[Rejected]
    vetoed_objects: frozenset[str] = frozenset()
    """NAME#2 for objects of photos that are left out."""

    @property
    def container(self) -> Container:
        """Container that they are read from."""
        return open_container(self.path, self.cfg.image_column)


def find_photos(cfg: PhotoSetConfig, raw: Path, key: str, has_objects: bool = False) -> PhotoSet:
    """Photos except those that are named in the list of rejects.

    With `has_objects` the list may name the objects of a photo, too.

    Raises:
        ValueError: There are none, or the list names one that is not there.
    """
    path = below(raw, cfg.path, f"{key}.path")
    open_container.cache_clear()  # the files may have changed since this process looked last
    container = open_container(path, cfg.image_column)
    if not container.names:
        raise ValueError(f"{key}.path must lead to images, {path} holds none; put or link some")
    listed = _vetoed(cfg, raw, key)
    known = set(container.names)
    objects = {name for name in listed - known if has_objects and _photo_of(name) in known}
    vetoed = listed - objects
    unknown = sorted(vetoed - known)
    if unknown:
        raise ValueError(
            f"{key}.reject_list must name images of {path}, {unknown[0]} is none; correct the list"
        )
    names = [name for name in container.names if name not in vetoed]
    rejected = [*container.rejected, *(refuse(name, "vetoed") for name in sorted(vetoed))]
    return PhotoSet(cfg, path, names, rejected, frozenset(objects))


def _photo_of(name: str) -> str:
    """The photo of an object that is called NAME#2; empty for other names."""
    match = re.fullmatch(r"(.+)#[1-9][0-9]*", name)
    return match[1] if match else ""


def plan_photos(
    photos: PhotoSet,
    estimator: str,
    build_estimator: Callable[[], PoseEstimator],
    scene: Scene,
    request: PhotoRequest,
    *,
    names: Iterable[str] | None = None,
    identities: dict[str, str] | None = None,
    rejected: Iterable[Rejected] = (),
    normalization: Normalization | None = None,
    is_given: bool = False,
    stated_splits: Mapping[str, str] | None = None,
    mirrored_copies: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> DatasetPlan[Photo]:
    """Plan of one task per photo, or per named one; the seed decides which are for validation.

    Unless their splits are stated. A mirrored copy is of the split of its original.
    """
    copies = dict(mirrored_copies or {})
    chosen = photos.names if names is None else list(names)
    known = identities or {}
    listed = [
        Photo(name, known.get(name) or _identity(name, photos.cfg.identity)) for name in chosen
    ]
    groups = [
        photo.identity or known.get(original) or original
        for photo in listed
        for original in [copies.get(photo.image_id, photo.image_id)]
    ]
    splits = choose_splits(groups, photos.cfg.val_share, request.seed)
    if stated_splits:
        splits = [
            stated_splits.get(copies.get(photo.image_id, photo.image_id), "train")
            for photo in listed
        ]
    processor = PhotoProcessor(
        container=photos.path,
        image_column=photos.cfg.image_column,
        build_estimator=build_estimator,
        estimator=estimator,
        gates=request.gates,
        resolution=request.resolution,
        orbit_center=scene.orbit_center,
        background=background_of(scene.white_back, request.alpha),
        is_given=is_given,
        vetoed=photos.vetoed_objects,
    )
    left_out = [*photos.rejected, *rejected]
    if is_given:  # the cameras say what an image is; other files are theirs
        left_out = [item for item in left_out if item.reject.gate != NO_IMAGE]
    return DatasetPlan(
        tasks=list(zip(splits, listed, strict=True)),
        make=partial(process_photos, processor),
        scene=scene,
        resize_filter=RESIZE_FILTER,
        licence=photos.cfg.licence,
        rejected=left_out,
        normalization=normalization,
        gates=request.gates,
        max_duplicate_bits=request.gates.max_duplicate_bits if processor.judges else None,
        notes=list(notes),
        mirrored_copies=copies,
    )


def background_of(white_back: bool, alpha: Literal["composite", "drop"]) -> Colour | None:
    """Colour that transparent parts show; None for their hidden colours."""
    if alpha == "drop":
        return None
    return WHITE if white_back else BLACK


def state_scene(scene: Scene, cfg: Config, key: str) -> Scene:
    """A scene with the fields that the parameters state.

    Raises:
        ValueError: Together they are no scene.
    """
    stated = {name: getattr(cfg, name, None) for name in Scene.model_fields}
    known = {name: value for name, value in stated.items() if value is not None}
    try:
        return Scene(**(scene.model_dump() | known))
    except ValidationError as error:
        rule = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{key}.{rule}; change one of them") from None


def _identity(name: str, kind: str) -> str:
    if kind == "image":
        return ""
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent


def _vetoed(cfg: PhotoSetConfig, raw: Path, key: str) -> set[str]:
    if not cfg.reject_list:
        return set()
    path = below(raw, cfg.reject_list, f"{key}.reject_list")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{key}.reject_list must be text, {path} is not: {error}") from error
    return {plain(line.strip()) for line in lines if line.strip() and not line.startswith("#")}
