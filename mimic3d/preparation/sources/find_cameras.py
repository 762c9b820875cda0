"""Cameras of given images: EG3D, NeRF, nerfstudio and instant-ngp, COLMAP, tables."""

import io
import posixpath
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from mimic3d.preparation.cameras.colmap import read_colmap
from mimic3d.preparation.cameras.colmap_files import (
    CameraRecord,
    ImageRecord,
    read_camera_records,
    read_image_records,
)
from mimic3d.preparation.cameras.eg3d import read_labels
from mimic3d.preparation.cameras.image_names import ImageNames
from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable, join_tables
from mimic3d.preparation.cameras.table_file import SUFFIXES, read_camera_file
from mimic3d.preparation.cameras.transforms import Transforms, read_transforms
from mimic3d.preparation.names import refuse
from mimic3d.preparation.photos.container import Container
from mimic3d.preparation.photos.photo import NoPhoto
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.camera_files import (
    COLMAP_SUFFIXES,
    KNOWN_FILES,
    SPLIT_FILES,
    CameraFiles,
    list_camera_files,
)
from mimic3d.preparation.sources.given_cameras import NO_CAMERA, CameraReader, GivenCameras
from mimic3d.preparation.sources.photo_set import PhotoSet

MAX_BYTES = 2**40  # of an image whose size is asked for; it is checked when it is opened


def find_cameras(photos: PhotoSet, named: str, images: str) -> GivenCameras:
    """The cameras of the photos from the file that is named, or from the first that is known.

    Raises:
        ValueError: There is no such file, or it is broken.
    """
    container = photos.container
    files = list_camera_files(container.file_names, named, photos.path)
    stated = posixpath.normpath(images.replace("\\", "/")).strip("/")
    folder = f"{stated}/" if images and stated != "." else ""
    names = ImageNames(container.names, photos.path, folder)
    if not names.names:
        raise ValueError(
            f"prepare.given.images must be a folder of images in {photos.path}, {images} holds "
            f"none; correct it"
        )
    reader = CameraReader(container, photos, names)
    if files.kind == "colmap":
        return _from_colmap(reader, files, is_stated=bool(folder))
    if files.kind == "transforms":
        return _from_transforms(reader, files)
    return _from_other(reader, files.paths[0])


def _from_other(reader: CameraReader, name: str) -> GivenCameras:
    data, where = reader.data(name), reader.where(name)
    folder, suffix = posixpath.dirname(name), posixpath.splitext(name)[1].lower()
    if suffix == ".json":
        content = read_json(data, where)
        if isinstance(content, dict) and "frames" in content:
            return _from_transforms(reader, CameraFiles("transforms", (name,), folder))
        is_table = isinstance(content, list) and any(isinstance(row, dict) for row in content)
        if not is_table:
            table, missing = read_labels(data, where, reader.resolve(folder))
            cameras = GivenCameras(table, is_foreign=False, has_up=True)
            return reader.finish(cameras, missing, where, reader.names.names)
    if suffix not in SUFFIXES:
        raise ValueError(
            f"prepare.given.cameras must be a known file such as {', '.join(KNOWN_FILES)}, "
            f"is {name}"
        )
    table, missing = match_rows(read_camera_file(data, where), reader.resolve(folder), where)
    cameras = GivenCameras(table, is_foreign=True, has_up=True)
    return reader.finish(cameras, missing, where, reader.names.names)


def match_rows(
    table: CameraTable, resolve: Callable[[str], str | None], where: str
) -> tuple[CameraTable, list[str]]:
    """The rows of images that are there, under their names, and the names of the others.

    Raises:
        ValueError: Two rows are of one image.
    """
    names = [resolve(image) for image in table.images]
    missing = [image for image, name in zip(table.images, names, strict=True) if name is None]
    known = [name for name in names if name is not None]
    if len(set(known)) < len(known):
        again = next(name for index, name in enumerate(known) if name in known[:index])
        raise ValueError(f"{where} must have one row per image, {again} has several; remove one")
    kept = table.select(np.array([name is not None for name in names], dtype=bool))
    return kept.rename(known), missing


def _from_transforms(reader: CameraReader, files: CameraFiles) -> GivenCameras:
    size_of, first = partial(image_size, reader.container), files.paths[0]
    parts: list[Transforms] = []
    splits: dict[str, str] = {}
    for name in files.paths:
        resolve = reader.resolve(posixpath.dirname(name))
        part = read_transforms(
            reader.data(name), reader.where(name), resolve, size_of, len(files.paths) > 1
        )
        parts.append(part)
        own = SPLIT_FILES.get(posixpath.basename(name)) if len(files.paths) > 1 else None
        for image in part.table.images:  # an image of two files is of the first one's split
            split = part.splits.get(image) or own
            if split is not None:
                splits.setdefault(image, split)
    table = join_tables([part.table for part in parts])
    notes = []
    if len(files.paths) > 1:
        read = ", ".join(map(posixpath.basename, files.paths))
        notes.append(f"{read} are read together; val and test are the split val")
    cameras = GivenCameras(table, is_foreign=True, has_up=True, splits=splits, notes=notes)
    missing = [name for part in parts for name in part.missing]
    side_files = {name for part in parts for name in part.side_files}
    return reader.finish(cameras, missing, reader.where(first), reader.names.names, side_files)


def _from_colmap(reader: CameraReader, files: CameraFiles, is_stated: bool) -> GivenCameras:
    models = [_read_model(reader, folder) for folder in files.paths]
    largest = max(range(len(models)), key=lambda index: len(models[index][1]))
    records, images = models[largest]
    where = reader.where(f"{files.paths[largest]}/".lstrip("/"))
    if not images:
        raise ValueError(
            f"{where} must be a COLMAP model, text or binary, that names at least one image, names "
            f"none; run the mapper again"
        )
    names = reader.names
    if not is_stated:
        width, height = next(iter([(r.width, r.height) for r in records]), (0, 0))
        names = names.choose_folder(
            [record.name for record in images],
            (f"{files.scene}images/", files.scene),
            lambda name: image_size(reader.container, name) == (width, height),
        )
    table, missing = read_colmap(records, images, where, names.resolve)
    others = _images_of_smaller_models(models, files.paths, largest, names)
    notes = []
    if len(models) > 1:
        pairs = zip(files.paths, models, strict=True)
        sizes = ", ".join(f"{path or '.'} ({len(model[1])})" for path, model in pairs)
        notes.append(
            f"of {len(models)} sparse models the largest is read, {files.paths[largest]}; images "
            f"of each: {sizes}"
        )
    cameras = GivenCameras(table, is_foreign=True, has_up=False, rejected=others, notes=notes)
    return reader.finish(cameras, missing, where, names.names)


def _read_model(reader: CameraReader, folder: str) -> tuple[list[CameraRecord], list[ImageRecord]]:
    """Cameras and images of a sparse model, of its text files or else its binary ones."""
    prefix = f"{folder}/" if folder else ""
    files = set(reader.container.file_names)
    suffix = next((s for s in COLMAP_SUFFIXES if f"{prefix}images{s}" in files), ".txt")
    cameras, images = (f"{prefix}{stem}{suffix}" for stem in ("cameras", "images"))
    if cameras not in files:
        raise ValueError(f"{reader.where(prefix)} must have cameras{suffix} beside images{suffix}")
    return (
        read_camera_records(reader.data(cameras), reader.where(cameras)),
        read_image_records(reader.data(images), reader.where(images)),
    )


def _images_of_smaller_models(
    models: list[tuple[list[CameraRecord], list[ImageRecord]]],
    paths: tuple[str, ...],
    largest: int,
    names: ImageNames,
) -> list[Rejected]:
    rejects: dict[str, Rejected] = {}
    for index, (path, (_, images)) in enumerate(zip(paths, models, strict=True)):
        for record in images if index != largest else []:
            name = names.resolve(record.name)
            if name is not None:
                detail = f"it is of the smaller model {path}"
                rejects.setdefault(name, replace(refuse(name, NO_CAMERA), detail=detail))
    return list(rejects.values())


def image_size(container: Container, name: str) -> tuple[int, int]:
    """Width and height by the header; (1, 1) for no image, which is rejected later."""
    try:
        with Image.open(io.BytesIO(container.read(name, MAX_BYTES))) as image:
            return image.size
    except (NoPhoto, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return (1, 1)
