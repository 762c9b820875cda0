"""Quality gates: keep an image (None), or reject it with gate, value and threshold."""

import numpy as np
from jaxtyping import Float32
from PIL import Image

from mimic3d.data.poses.protocol import Reject

MAX_ROTATION_ERROR = 1e-3  # of the determinant and of R R^T - I; labels are float32
PRINCIPAL_POINT_RANGE = (0.4, 0.6)  # of the image width; crops are centred on the face
MAX_ROW_ERROR = 1e-6  # of the constant entries of the matrices


def check_image(image: Image.Image, resolution: int) -> Reject | None:
    """Rejects images that are not square or smaller than the resolution asked for."""
    width, height = image.size
    if width != height:
        return Reject("square", width / height, 1.0)
    if width < resolution:
        return Reject("min_side", float(width), float(resolution))
    return None


def check_camera(
    cam2world: Float32[np.ndarray, "4 4"], intrinsics: Float32[np.ndarray, "3 3"]
) -> Reject | None:
    """Rejects matrices that are no camera: not a rotation, no focal length, a far-off centre."""
    if not (np.isfinite(cam2world).all() and np.isfinite(intrinsics).all()):
        return Reject("finite", float("nan"), 0.0)
    rotation = cam2world[:3, :3].astype(np.float64)
    determinant = float(np.linalg.det(rotation))
    if abs(determinant - 1) > MAX_ROTATION_ERROR:
        return Reject("determinant", determinant, 1.0)
    skewness = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if skewness > MAX_ROTATION_ERROR:
        return Reject("orthonormal", skewness, MAX_ROTATION_ERROR)
    last_rows = [cam2world[3] - [0, 0, 0, 1], intrinsics[2] - [0, 0, 1], intrinsics[1, :1]]
    row_error = float(np.abs(np.concatenate(last_rows)).max())
    if row_error > MAX_ROW_ERROR:
        return Reject("last_row", row_error, MAX_ROW_ERROR)
    focal = float(min(intrinsics[0, 0], intrinsics[1, 1]))
    if focal <= 0:
        return Reject("focal", focal, 0.0)
    low, high = PRINCIPAL_POINT_RANGE
    for value in (float(intrinsics[0, 2]), float(intrinsics[1, 2])):
        if not low <= value <= high:
            return Reject("principal_point", value, low if value < low else high)
    return None
