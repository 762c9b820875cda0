"""Mirrored copies among given images, as EG3D's preparation writes them beside the originals.

A copy and its original belong into one split. Names tell most (NAME_mirror.png); a dataset that was
packed again has numbers for names, where the camera of a copy is the mirrored camera, and pixels
decide. Imports no torch.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from PIL import Image

from mimic3d.preparation.cameras.table import CameraTable
from mimic3d.preparation.photos.container import Container
from mimic3d.preparation.photos.photo import NoPhoto, decode_photo
from mimic3d.preparation.pose import Reject
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.crop import Photo
from mimic3d.preparation.sources.plan import DatasetPlan

WORD = r"(?:h?flip(?:ped)?|mirror(?:ed)?)"
COPY_NAME = re.compile(rf"(?:(?P<a>.+)[-_. ]{WORD}|{WORD}[-_. ](?P<b>.+))", re.IGNORECASE)
COPY_FOLDER = re.compile(rf"(?:(?P<a>.+)[-_. ])?{WORD}", re.IGNORECASE)
DIGITS = 4  # of cameras that are compared; labels are rounded
NUM_TESTED = 24  # pairs whose pixels are compared: cameras that agree so far are no chance
THUMBNAIL = 24  # pixels
MAX_DIFFERENCE = 6.0  # mean over a thumbnail, of 255; JPEG noise stays far below
MIN_AGREEING = 0.9  # of the tested pairs
MAX_BYTES, MAX_PIXELS = 2.0**28, 1.2e8  # of an image whose pixels are compared


def find_mirrored_copies(table: CameraTable, container: Container) -> dict[str, str]:
    """Names of mirrored copies -> names of their originals; none is in both."""
    pairs = _by_name(table.images)
    taken = {name for pair in pairs.items() for name in pair}
    rest = [name for name in table.images if name not in taken]
    by_camera = _by_camera(table, rest)
    if by_camera and _agree(by_camera, container):
        pairs |= dict(by_camera)
    return pairs


def _by_name(images: Sequence[str]) -> dict[str, str]:
    stems = {posixpath.splitext(name)[0]: name for name in images}
    pairs: dict[str, str] = {}
    for stem, name in stems.items():
        for candidate in _original_stems(stem):
            original = stems.get(candidate)
            if original is not None and original not in pairs:
                pairs[name] = original
                break
    return pairs


def _original_stems(stem: str) -> list[str]:
    """Possible names of the original: 1_mirror -> 1; mirror/1 -> 1; images_flip/1 -> images/1."""
    folder, base = posixpath.split(stem)
    stems = []
    match = COPY_NAME.fullmatch(base)
    if match is not None:
        stems.append(posixpath.join(folder, match["a"] or match["b"]))
    parent, own = posixpath.split(folder)
    match = COPY_FOLDER.fullmatch(own)
    if match is not None:
        beside = [match["a"]] if match["a"] else ["", "images", "original", "originals"]
        stems += [posixpath.join(parent, part, base) for part in beside]
    return stems


def _by_camera(table: CameraTable, images: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (copy, original) whose cameras are mirror images of each other and of no other."""
    rows = [table.rows[image] for image in images]
    cam2world, intrinsics = table.cam2world[rows], table.intrinsics[rows]
    mirrored, lens = cam2world.copy(), intrinsics.copy()
    mirrored[:, 0, 1:] *= -1
    mirrored[:, 1:, 0] *= -1
    lens[:, 0, 1] *= -1
    lens[:, 0, 2] = 1 - lens[:, 0, 2]
    at: dict[tuple[float, ...], list[int]] = {}
    for index, key in enumerate(_keys(cam2world, intrinsics)):
        at.setdefault(key, []).append(index)
    pairs = []
    for index, key in enumerate(_keys(mirrored, lens)):
        twins = at.get(key, [])
        if len(twins) == 1 and twins[0] < index:
            pairs.append((images[index], images[twins[0]]))
    originals = [original for _, original in pairs]
    return pairs if len(set(originals)) == len(originals) else []


def _keys(
    cam2world: Float64[np.ndarray, "n 4 4"], intrinsics: Float64[np.ndarray, "n 3 3"]
) -> list[tuple[float, ...]]:
    flat = np.concatenate([cam2world[:, :3].reshape(-1, 12), intrinsics.reshape(-1, 9)], axis=1)
    return [tuple(row) for row in (np.round(flat, DIGITS) + 0.0).tolist()]


def _agree(pairs: Sequence[tuple[str, str]], container: Container) -> bool:
    """True if most of some pairs, evenly drawn, are mirror images by their pixels."""
    tested = pairs[:: max(1, len(pairs) // NUM_TESTED)][:NUM_TESTED]
    agreeing = sum(_are_mirrored(container, *pair) for pair in tested)
    return agreeing >= MIN_AGREEING * len(tested)


def _are_mirrored(container: Container, copy: str, original: str) -> bool:
    one, other = _thumbnail(container, copy), _thumbnail(container, original)
    if one is None or other is None:
        return False
    difference = np.abs(one[:, ::-1] - other).mean()
    return bool(difference <= MAX_DIFFERENCE and difference < np.abs(one - other).mean())


def _thumbnail(container: Container, name: str) -> Float64[np.ndarray, "h w 3"] | None:
    try:
        data = container.read(name, MAX_BYTES)
        image = decode_photo(data, MAX_PIXELS, None, is_turned=False).image
    except NoPhoto:
        return None
    small = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)


def settle_mirroring(plan: DatasetPlan[Photo], mirror: bool) -> tuple[DatasetPlan[Photo], bool]:
    """The plan, and True if copies are made when loading, so that no image counts twice.

    Where every image has its copy, they are the mirroring. Where some have, those copies are left
    out, since all images are mirrored when loading.
    """
    copies = plan.mirrored_copies
    if not copies or not mirror:
        return plan, mirror
    num, notes = len(copies), list(plan.notes)
    if 2 * num == len(plan.tasks):
        notes.append("every image has its mirrored copy, so that none is made: mirror is off")
        return replace(plan, notes=notes), False
    notes.append(f"{num} mirrored copies are left out, since mirror: true makes them")
    rejected = [
        Rejected(copy, Reject("mirrored_copy", 0.0, 1.0), f"of {original}")
        for copy, original in copies.items()
    ]
    tasks = [(split, task) for split, task in plan.tasks if task.image_id not in copies]
    return replace(plan, tasks=tasks, rejected=[*plan.rejected, *rejected], notes=notes), True
