"""COLMAP reconstructions, binary or text: cameras and images of one sparse model.

Its poses map the world to the camera and its axes are OpenCV's; its world has no up. The first
image's down is often y, so y and z are turned round, which leaves little to `normalize.py`. Images
of rigs have a pose each in these files, too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mimic3d.preparation.cameras.colmap_files import CameraRecord, ImageRecord
from mimic3d.preparation.cameras.table import CameraTable, build_table
from mimic3d.preparation.pose import Distortion

Y_DOWN_TO_Y_UP = np.diag([1.0, -1.0, -1.0, 1.0])
UNDISTORT = "undistort the images first (colmap image_undistorter)"


@dataclass(frozen=True)
class _Model:
    """Layout of the parameters of a camera model."""

    num_focal: int
    """Number of focal lengths, 1 or 2; the principal point follows."""
    num_coefficients: int
    to_distortion: Callable[..., Distortion] | None = None
    """Distortion of the coefficients; None for a pinhole."""


def _perspective(k1=0.0, k2=0.0, p1=0.0, p2=0.0, k3=0.0, k4=0.0, k5=0.0, k6=0.0) -> Distortion:
    return Distortion("perspective", (k1, k2, k3, 0.0), (p1, p2), (k4, k5, k6))


def _fisheye(k1=0.0, k2=0.0, k3=0.0, k4=0.0) -> Distortion:
    return Distortion("fisheye", (k1, k2, k3, k4))


def _thin_prism(k1, k2, p1, p2, k3, k4, sx1, sy1) -> Distortion:
    return Distortion("fisheye", (k1, k2, k3, k4), (p1, p2), thin_prism=(sx1, sy1))


MODELS = {
    "SIMPLE_PINHOLE": _Model(1, 0),
    "PINHOLE": _Model(2, 0),
    "SIMPLE_RADIAL": _Model(1, 1, _perspective),
    "RADIAL": _Model(1, 2, _perspective),
    "OPENCV": _Model(2, 4, _perspective),
    "FULL_OPENCV": _Model(2, 8, _perspective),
    "SIMPLE_FISHEYE": _Model(1, 0, _fisheye),
    "FISHEYE": _Model(2, 0, _fisheye),
    "SIMPLE_RADIAL_FISHEYE": _Model(1, 1, _fisheye),
    "RADIAL_FISHEYE": _Model(1, 2, _fisheye),
    "OPENCV_FISHEYE": _Model(2, 4, _fisheye),
    "THIN_PRISM_FISHEYE": _Model(2, 8, _thin_prism),
    "FOV": _Model(2, 1, lambda omega: Distortion("fov", strength=omega)),
    "SIMPLE_DIVISION": _Model(1, 1, lambda k: Distortion("division", strength=k)),
    "DIVISION": _Model(2, 1, lambda k: Distortion("division", strength=k)),
}


@dataclass(frozen=True)
class _Intrinsics:
    matrix: Float64[np.ndarray, "3 3"]
    """Intrinsics divided by width and height."""
    size: tuple[int, int]
    distortion: Distortion | None


def read_colmap(
    cameras: list[CameraRecord],
    images: list[ImageRecord],
    path: str,
    resolve: Callable[[str], str | None],
) -> tuple[CameraTable, list[str]]:
    """Cameras of the images that are there, and the names of those that are not.

    `resolve` tells the name by which the container knows an image that the model names.

    Raises:
        ValueError: A camera is of an unknown model or missing, or an image is there twice.
    """
    by_id = {record.camera_id: _intrinsics(record) for record in cameras}
    rows: dict[str, tuple[ImageRecord, _Intrinsics]] = {}
    missing = []
    for record in images:
        if record.camera_id not in by_id:
            raise ValueError(f"{record.where}: camera {record.camera_id} is not in {path}cameras")
        name = resolve(record.name)
        if name is None:
            missing.append(record.name)
        elif name in rows:
            raise ValueError(
                f"{record.where}: the image {record.name} is there again; correct the list"
            )
        else:
            rows[name] = record, by_id[record.camera_id]
    poses = [_cam2world(record.quaternion, record.translation) for record, _ in rows.values()]
    intrinsics = [one for _, one in rows.values()]
    table = build_table(
        list(rows),
        Y_DOWN_TO_Y_UP @ np.array(poses).reshape(-1, 4, 4),
        np.array([one.matrix for one in intrinsics]).reshape(-1, 3, 3),
        sizes=np.array([one.size for one in intrinsics], dtype=np.int64).reshape(-1, 2),
        distortions=tuple(one.distortion for one in intrinsics),
    )
    return table, missing


def _intrinsics(record: CameraRecord) -> _Intrinsics:
    model = MODELS.get(record.model)
    if model is None:
        raise ValueError(
            f"{record.where} must be one of {', '.join(MODELS)}, is {record.model}; {UNDISTORT}"
        )
    num_pinhole = model.num_focal + 2
    num = num_pinhole + model.num_coefficients
    if len(record.params) != num or record.width < 1 or record.height < 1:
        raise ValueError(
            f"{record.where}: {record.model} must have a size and {num} parameters, has "
            f"{len(record.params)}"
        )
    *focals, center_x, center_y = record.params[:num_pinhole]
    width, height = record.width, record.height
    matrix = [
        [focals[0] / width, 0, center_x / width],
        [0, focals[-1] / height, center_y / height],
        [0, 0, 1],
    ]
    distortion = None
    if model.to_distortion is not None:
        distortion = model.to_distortion(*record.params[num_pinhole:])
        if distortion in (Distortion(), Distortion("fov"), Distortion("division")):
            distortion = None
    return _Intrinsics(np.array(matrix, dtype=np.float64), (width, height), distortion)


def _cam2world(
    quaternion: Float64[np.ndarray, " 4"], translation: Float64[np.ndarray, " 3"]
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
    cam2world[:3, 3] = -rotation.T @ translation
    return cam2world
