"""Reads a COLMAP reconstruction as text: cameras.txt and images.txt.

Its poses map the world to the camera and its axes are OpenCV's; its world has no up. The first
image's down is often y, so y and z are turned round, which leaves little to `normalize.py`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from mimic3d.preparation.cameras.table import CameraTable, build_table
from mimic3d.preparation.names import plain

CAMERAS_FILE, IMAGES_FILE, BINARY_FILE = "cameras.txt", "images.txt", "images.bin"
Y_DOWN_TO_Y_UP = np.diag([1.0, -1.0, -1.0, 1.0])
# Parameters after the size: how many are of the pinhole, how many of the distortion.
MODELS = {
    "SIMPLE_PINHOLE": (3, 0), "PINHOLE": (4, 0), "SIMPLE_RADIAL": (3, 1), "RADIAL": (3, 2),
    "OPENCV": (4, 4), "FULL_OPENCV": (4, 8),
}  # fmt: skip

Lens = tuple[Float64[np.ndarray, "3 3"], tuple[int, int]]


def read_colmap(
    cameras: bytes, images: bytes, path: str, names: Sequence[str]
) -> tuple[CameraTable, list[str]]:
    """The cameras of the reconstructed images, and the images that are not reconstructed.

    Raises:
        ValueError: A file is broken, a lens is distorted, or an image is not there.
    """
    lenses = _read_lenses(cameras, f"{path}{CAMERAS_FILE}")
    where = f"{path}{IMAGES_FILE}"
    known = set(names)
    found: dict[str, tuple[Float64[np.ndarray, "4 4"], Lens]] = {}
    for number, line in _image_lines(images, where):
        fields = line.split(maxsplit=9)
        try:
            quaternion = np.array(fields[1:5], dtype=np.float64)
            shift = np.array(fields[5:8], dtype=np.float64)
            camera, stated = fields[8], fields[9].strip()
        except (ValueError, IndexError):
            raise ValueError(
                f"{where} line {number} must be id, 4 of the rotation, 3 of the shift, camera and "
                f"name, is {line[:60]!r}"
            ) from None
        if camera not in lenses:
            raise ValueError(f"{where} line {number}: camera {camera} is not in {CAMERAS_FILE}")
        name = next((n for n in (plain(stated), f"images/{plain(stated)}") if n in known), None)
        if name is None or name in found:
            what = "is there again" if name else "is not there"
            raise ValueError(f"{where} line {number}: the image {stated} {what}; correct the list")
        found[name] = _cam2world(quaternion, shift), lenses[camera]
    if not found:
        raise ValueError(f"{where} must name at least one image, names none")
    table = build_table(
        list(found),
        Y_DOWN_TO_Y_UP @ np.array([pose for pose, _ in found.values()]),
        np.array([intrinsics for _, (intrinsics, _) in found.values()]),
        sizes=np.array([size for _, (_, size) in found.values()], dtype=np.int64),
    )
    return table, [name for name in names if name not in found]


def _read_lenses(data: bytes, where: str) -> dict[str, Lens]:
    """Intrinsics by camera, divided by width and height, and the size they were stated for."""
    lenses = {}
    for number, line in enumerate(_text(data, where).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        camera, model, *rest = line.split()
        try:
            width, height, *numbers = (float(word) for word in rest)
        except ValueError:
            raise ValueError(f"{where} line {number} must be id, model and numbers") from None
        if model not in MODELS:
            raise ValueError(
                f"{where} line {number} must be a pinhole camera, is {model}; undistort the images "
                f"first (colmap image_undistorter)"
            )
        num_pinhole, num_bent = MODELS[model]
        if len(numbers) != num_pinhole + num_bent or width < 1 or height < 1:
            raise ValueError(
                f"{where} line {number}: {model} must have a size and {num_pinhole + num_bent} "
                f"parameters, has {len(numbers)}"
            )
        if any(numbers[num_pinhole:]):
            raise ValueError(
                f"{where} line {number} must be free of distortion, is {model} with "
                f"{numbers[num_pinhole:]}; undistort the images first (colmap image_undistorter)"
            )
        *focals, center_x, center_y = numbers[:num_pinhole]
        intrinsics = np.array(
            [
                [focals[0] / width, 0, center_x / width],
                [0, focals[-1] / height, center_y / height],
                [0, 0, 1],
            ]
        )
        lenses[camera] = intrinsics, (int(width), int(height))
    return lenses


def _image_lines(data: bytes, where: str) -> list[tuple[int, str]]:
    """Every image has two lines, of which the second lists its points and may be empty."""
    lines = enumerate(_text(data, where).splitlines(), 1)
    rows = [(number, line) for number, line in lines if not line.startswith("#")]
    while rows and not rows[0][1].strip():
        rows.pop(0)
    return [row for row in rows[::2] if row[1].strip()]


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} must be text: {error}") from error


def _cam2world(
    quaternion: Float64[np.ndarray, " 4"], shift: Float64[np.ndarray, " 3"]
) -> Float64[np.ndarray, "4 4"]:
    """The inverse of a world-to-camera pose; the quaternion is (w, x, y, z).

    It is not normalised to unit length before it is checked: one of another length gives a matrix
    that is no rotation, which the gates reject.
    """
    w, x, y, z = quaternion
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    cam2world = np.eye(4)
    cam2world[:3, :3] = rotation.T
    cam2world[:3, 3] = -rotation.T @ shift
    return cam2world
