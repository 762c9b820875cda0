"""Reads datasets in the layout of EG3D: a zip or folder of images and their dataset.json."""

import json
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np

LABELS_FILE = "dataset.json"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

Label = tuple[float, ...]


def list_images(container: Path) -> list[str]:
    """Names of the images in a zip or folder, sorted.

    Raises:
        ValueError: There is no such zip or folder, or no image in it.
    """
    if container.is_dir():
        names = [p.relative_to(container).as_posix() for p in container.rglob("*") if p.is_file()]
    else:
        names = _open_zip(container).namelist()
    names = sorted(name for name in names if name.lower().endswith(SUFFIXES))
    if not names:
        raise ValueError(f"{container} holds no images ({', '.join(SUFFIXES)})")
    return names


def read_image(container: Path, name: str) -> bytes:
    """An image file as it is stored."""
    if container.is_dir():
        return (container / name).read_bytes()
    return _open_zip(container).read(name)


def load_labels(container: Path, names: list[str]) -> dict[str, Label]:
    """The label of every named image: 16 numbers cam2world and 9 numbers intrinsics.

    Some published files write the numbers as strings; both are read.

    Raises:
        ValueError: dataset.json is missing or broken, or an image has no label of 25 numbers.
    """
    path = f"{container}/{LABELS_FILE}"
    try:
        listed = json.loads(read_image(container, LABELS_FILE))["labels"]
    except (FileNotFoundError, KeyError, TypeError):
        raise ValueError(f'{path} must exist and be {{"labels": [[name, label], ...]}}') from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    if not isinstance(listed, list):
        raise ValueError(
            f"{path} must list a label for every image, has labels: {json.dumps(listed)[:40]}; "
            "EG3D's tool writes null when one image had none"
        )
    try:
        found = {str(name): label for name, label in listed}
    except (TypeError, ValueError):
        raise ValueError(f"{path} must list pairs of an image's name and its label") from None
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no label for {missing[0]} ({len(missing)} of {len(names)} images have "
            "none); add them or remove the images"
        )
    return {name: _parse(found[name], f"{path}: label of {name}") for name in names}


def _parse(label: object, where: str) -> Label:
    try:
        numbers = np.asarray(label, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (25,):
        raise ValueError(
            f"{where} must be 25 numbers (cam2world, intrinsics), is {json.dumps(label)[:60]}"
        )
    return tuple(numbers.tolist())


@lru_cache(maxsize=1)
def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist; put the images there") from None
    except (zipfile.BadZipFile, IsADirectoryError):
        raise ValueError(f"{path} must be a zip file or a folder of images") from None
