"""Reads and writes datasets in the layout of EG3D: images, and a dataset.json of their labels."""

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable, build_table
from mimic3d.preparation.names import plain

LABELS_FILE = "dataset.json"
FOLDER_IMAGES = 1000  # images per folder of the layout
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # of every member, so that the same images give the same bytes

Label = tuple[float, ...]


def read_labels(data: bytes, path: str, names: Sequence[str]) -> CameraTable:
    """The cameras of the named images from the contents of a dataset.json.

    Some published files write the numbers as strings; both are read.

    Raises:
        ValueError: The file is broken, or an image has no label of 25 numbers.
    """
    listed = read_json(data, path)
    listed = listed.get("labels") if isinstance(listed, dict) else listed
    if not isinstance(listed, list):
        raise ValueError(
            f'{path} must be {{"labels": [[name, label], ...]}}, has labels: '
            f"{json.dumps(listed)[:40]}; EG3D's tool writes null when one image had none"
        )
    try:
        pairs = [(plain(str(name)), label) for name, label in listed]
    except (TypeError, ValueError):
        raise ValueError(f"{path} must list pairs of an image's name and its label") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        several = next(name for name, label in pairs if found[name] is not label)
        raise ValueError(f"{path} must label an image once, {several} is there again; remove one")
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no label for {missing[0]} ({len(missing)} of {len(names)} images have "
            "none); add them or remove the images"
        )
    rows = [_parse(found[name], f"{path}: label of {name}") for name in names]
    labels = np.array(rows, dtype=np.float64).reshape(-1, 25)
    return build_table(
        names, labels[:, :16].reshape(-1, 4, 4).copy(), labels[:, 16:].reshape(-1, 3, 3).copy()
    )


def write_eg3d(
    images: Iterable[tuple[UInt8[np.ndarray, "h w 3"], Label]], target: Path, is_zip: bool
) -> int:
    """Writes images and labels as EG3D reads them; returns how many.

    A stored zip of uncompressed PNG files, or a folder of the same.
    """
    labels: list[tuple[str, Label]] = []
    with _ZipWriter(target) if is_zip else _FolderWriter(target) as writer:
        for index, (pixels, label) in enumerate(images):
            name = f"{index // FOLDER_IMAGES:05d}/img{index:08d}.png"
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
            writer.write(name, buffer.getvalue())
            labels.append((name, label))
        writer.write(LABELS_FILE, json.dumps({"labels": labels}).encode())
    return len(labels)


class _ZipWriter:
    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> "_ZipWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def write(self, name: str, data: bytes) -> None:
        self._archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)


class _FolderWriter:
    def __init__(self, path: Path) -> None:
        self._root = path

    def __enter__(self) -> "_FolderWriter":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, name: str, data: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _parse(label: object, where: str) -> list[float]:
    try:
        numbers = np.asarray(label, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (25,):
        raise ValueError(
            f"{where} must be 25 numbers (cam2world, intrinsics), is {json.dumps(label)[:60]}"
        )
    return numbers.tolist()
