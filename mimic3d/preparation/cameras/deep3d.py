"""Cameras of Deep3DFaceRecon's coefficients, as EG3D makes its labels of them.

The network answers with three angles and a shift in a world 10 units before its camera, whose image
has y upwards; one unit is 0.27 of ours. EG3D moves the centre of that world and sets all cameras at
one distance, which leaves the rotation alone: axes miss the origin by a little.
"""

import numpy as np
from jaxtyping import Float64

from mimic3d.cameras import FFHQ_FOCAL

DISTANCE = 10.0  # of the network's camera from its world's origin
UNIT = 0.27  # ours per unit of the network's world
CENTER = np.array([0.0, 0.006, 0.161])  # of the network's world in EG3D's
RADIUS = 2.7
Y_UP_TO_OPENCV = np.diag([1.0, -1.0, -1.0])


def network_cameras(
    angles: Float64[np.ndarray, "n 3"], shifts: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 4 4"]:
    """Camera to world in the network's own world, exact: OpenCV axes, its units."""
    rotation = _rotations(angles)
    before = shifts - [0, 0, DISTANCE]
    cam2world = np.tile(np.eye(4), (len(angles), 1, 1))
    cam2world[:, :3, :3] = rotation @ Y_UP_TO_OPENCV
    cam2world[:, :3, 3] = -np.einsum("nij,nj->ni", rotation, before)
    return cam2world


def eg3d_cameras(
    angles: Float64[np.ndarray, "n 3"], shifts: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 4 4"]:
    """Camera to world of EG3D's labels: all at distance 2.7 from the origin."""
    cam2world = network_cameras(angles, shifts)
    centers = UNIT * cam2world[:, :3, 3] + CENTER
    cam2world[:, :3, 3] = RADIUS * centers / np.linalg.norm(centers, axis=1, keepdims=True)
    return cam2world


def eg3d_intrinsics(num: int) -> Float64[np.ndarray, "n 3 3"]:
    """The lens of EG3D's FFHQ crops, which it writes into every label."""
    lens = [[FFHQ_FOCAL, 0, 0.5], [0, FFHQ_FOCAL, 0.5], [0, 0, 1]]
    return np.tile(np.array(lens), (num, 1, 1))


def _rotations(angles: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """The transposed product Rz Ry Rx; points are rows and are multiplied from the left."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    zero, one = np.zeros_like(cx), np.ones_like(cx)
    about_x = _matrices([one, zero, zero, zero, cx, -sx, zero, sx, cx])
    about_y = _matrices([cy, zero, sy, zero, one, zero, -sy, zero, cy])
    about_z = _matrices([cz, -sz, zero, sz, cz, zero, zero, zero, one])
    return (about_z @ about_y @ about_x).transpose(0, 2, 1)


def _matrices(entries: list[Float64[np.ndarray, " n"]]) -> Float64[np.ndarray, "n 3 3"]:
    return np.stack(entries, axis=1).reshape(-1, 3, 3)
