"""Datasets in the layout of EG3D: images, and a dataset.json of their labels."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable, build_table

LABELS_FILE = "dataset.json"
FOLDER_IMAGES = 1000  # images per folder of the layout
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # of every member, so that the same images give the same bytes

Label = tuple[float, ...]


def read_labels(
    data: bytes, path: str, resolve: Callable[[str], str | None]
) -> tuple[CameraTable, list[str]]:
    """The cameras of the labelled images that are there, and the names of those that are not.

    Labels are pairs of a name and 25 numbers (EG3D, LPFF) or an object of both; the numbers may be
    strings, as PanoHead's are, or in rows. An image whose label is null has none.

    Raises:
        ValueError: The file is broken, or an image has two labels.
    """
    labels: dict[str, list[float]] = {}
    missing = []
    for stated, label in _pairs(data, path):
        if label is None:
            continue
        name = resolve(stated)
        if name is None:
            missing.append(stated)
            continue
        numbers = _parse(label, f"{path}: label of {stated}")
        if labels.setdefault(name, numbers) != numbers:
            raise ValueError(f"{path} must label an image once, {name} has two labels; remove one")
    rows = np.array(list(labels.values()), dtype=np.float64).reshape(-1, 25)
    cam2world, intrinsics = rows[:, :16].reshape(-1, 4, 4), rows[:, 16:].reshape(-1, 3, 3)
    return build_table(list(labels), cam2world.copy(), intrinsics.copy()), missing


def _pairs(data: bytes, path: str) -> list[tuple[str, object]]:
    listed = read_json(data, path)
    listed = listed.get("labels", listed) if isinstance(listed, dict) else listed
    if isinstance(listed, dict):
        listed = list(listed.items())
    if not isinstance(listed, list):
        raise ValueError(
            f'{path} must be {{"labels": [[name, label], ...]}}, has labels: '
            f"{json.dumps(listed)[:40]}; EG3D's tool writes null when one image had none"
        )
    try:
        return [(str(name), label) for name, label in listed]
    except (TypeError, ValueError):
        raise ValueError(f"{path} must list pairs of an image's name and its label") from None


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
        """Writes a file into the archive."""
        self._archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)


class _FolderWriter:
    def __init__(self, path: Path) -> None:
        self._root = path

    def __enter__(self) -> "_FolderWriter":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, name: str, data: bytes) -> None:
        """Writes a file into the folder."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _parse(label: object, where: str) -> list[float]:
    """Label of 25 numbers; a camera matrix and intrinsics in rows are joined."""
    try:
        numbers = np.array(_flatten(label), dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (25,):
        raise ValueError(
            f"{where} must be 25 numbers (cam2world, intrinsics), is {json.dumps(label)[:60]}"
        )
    return numbers.tolist()


def _flatten(label: object) -> list[object]:
    if not isinstance(label, list):
        return [label]
    return [number for part in label for number in _flatten(part)]
