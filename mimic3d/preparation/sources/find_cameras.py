"""Finds the cameras of given images: EG3D, NeRF and nerfstudio, COLMAP, tables."""

import io
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from PIL import Image

from mimic3d.preparation.cameras.colmap import BINARY_FILE, CAMERAS_FILE, IMAGES_FILE, read_colmap
from mimic3d.preparation.cameras.eg3d import LABELS_FILE, read_labels
from mimic3d.preparation.cameras.file import SUFFIXES, read_camera_file
from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable
from mimic3d.preparation.cameras.transforms import read_transforms
from mimic3d.preparation.names import refuse
from mimic3d.preparation.photos.container import Container
from mimic3d.preparation.photos.photo import NoPhoto
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.photo_set import PhotoSet

# Looked for in this order if no file is named.
KNOWN_FILES = (
    LABELS_FILE, "transforms.json", f"sparse/0/{IMAGES_FILE}", f"sparse/{IMAGES_FILE}", IMAGES_FILE,
    "cameras.csv", "cameras.parquet",
)  # fmt: skip
MAX_BYTES = 2**40  # of an image whose size is asked for; the processor checks it properly


@dataclass(frozen=True)
class GivenCameras:
    """Cameras by image, and in which frame they are."""

    table: CameraTable
    is_foreign: bool
    """Whether frame and scale are the file's own, not those of EG3D's labels."""
    has_up: bool
    """Whether the file says where up is: y after reading."""
    rejected: list[Rejected] = field(default_factory=list)
    """Images without a camera, where that is no mistake."""


def find_cameras(photos: PhotoSet, named: str) -> GivenCameras:
    """The cameras of the photos from the file that is named, or the first that is known.

    Raises:
        ValueError: There is no such file, it is broken, or images lack cameras.
    """
    container = photos.container
    name = named or next((n for n in KNOWN_FILES if container.read_file(n) is not None), None)
    data = container.read_file(name) if name else None
    if name is None or data is None:
        binary = any(container.read_file(f"{folder}{BINARY_FILE}") for folder in ("", "sparse/0/"))
        way_out = (
            "convert the reconstruction: colmap model_converter --output_type TXT"
            if binary
            else f"put a {', '.join(KNOWN_FILES)} beside the images"
        )
        raise ValueError(
            f"prepare.given.cameras must be a file of cameras in {photos.path}, "
            f"{named or 'none'} is there; {way_out}"
        )
    where = f"{photos.path}/{name}"
    kind = PurePosixPath(name)
    if kind.name == IMAGES_FILE:
        return _from_colmap(container, photos, kind)
    if kind.suffix == ".json":
        content = read_json(data, where)
        if isinstance(content, dict) and "frames" in content:
            size_of = partial(image_size, container)
            table = read_transforms(data, where, container.names, size_of)
            return GivenCameras(table, is_foreign=True, has_up=True)
        if not isinstance(content, list):
            table = read_labels(data, where, photos.names)
            return GivenCameras(table, is_foreign=False, has_up=True)
    if kind.suffix in SUFFIXES:
        table = read_camera_file(data, where)
        check_names(table, photos, where)
        return GivenCameras(table, is_foreign=True, has_up=True)
    raise ValueError(
        f"prepare.given.cameras must be a known file such as {', '.join(KNOWN_FILES)}, is {name}"
    )


def check_names(table: CameraTable, photos: PhotoSet, where: str) -> None:
    """Raises ValueError unless the table is of exactly these images."""
    known, vetoed = set(photos.names), {item.image_id for item in photos.rejected}
    strange = [name for name in table.images if name not in known and name not in vetoed]
    missing = [name for name in photos.names if name not in table.rows]
    if strange:
        raise ValueError(f"{where} names {strange[0]}, which is no image here; remove the row")
    if missing:
        raise ValueError(
            f"{where} has no camera for {missing[0]} ({len(missing)} of {len(photos.names)} images "
            "have none); add them or remove the images"
        )


def image_size(container: Container, name: str) -> tuple[int, int]:
    """Width and height by the header; (1, 1) for what is no image, which is rejected later."""
    try:
        with Image.open(io.BytesIO(container.read(name, MAX_BYTES))) as image:
            return image.size
    except (NoPhoto, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return (1, 1)


def _from_colmap(container: Container, photos: PhotoSet, images: PurePosixPath) -> GivenCameras:
    folder = "" if str(images.parent) == "." else f"{images.parent}/"
    cameras, poses = (container.read_file(folder + name) for name in (CAMERAS_FILE, IMAGES_FILE))
    if cameras is None or poses is None:
        raise ValueError(f"{photos.path}/{folder} must have {CAMERAS_FILE} beside {IMAGES_FILE}")
    table, left = read_colmap(cameras, poses, f"{photos.path}/{folder}", container.names)
    rejected = [refuse(name, "no_camera") for name in left if name in photos.names]
    return GivenCameras(table, is_foreign=True, has_up=False, rejected=rejected)
