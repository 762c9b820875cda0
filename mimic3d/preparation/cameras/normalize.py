"""Foreign cameras -> our scene: where they look is the origin, up is y, the front is z.

Cameras of COLMAP, NeRF and the like come in a frame and a scale of their own. One similarity moves
them all, so that whoever trains needs no branch for a dataset. Imports no torch.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from mimic3d.data.schema import Normalization
from mimic3d.preparation.cameras.table import CameraTable

MIN_SPREAD = 1e-6  # of the optical axes; with less they are parallel and meet nowhere
MIN_FRONT = 0.05  # share of the mean distance; cameras all around have no front
BOX_PER_VIEW = 1.6  # EG3D: box 1 for a view 2.7 / 4.2647 wide, 1.6 for 1.7 / 1.7074
HALF_DIAGONAL = math.sqrt(3) / 2  # of a cube, in sides
MIN_NEAR = 0.05  # share of the radius; cameras inside the box start just before themselves
GAUSSIAN = 1.4826  # standard deviations per median absolute deviation
MIN_DEVIATION = 0.01  # share of the median; labels that all have one distance are rounded


@dataclass(frozen=True)
class CameraAxes:
    """Positions of cameras and two of their axes, unit length."""

    centers: Float64[np.ndarray, "n 3"]
    forward: Float64[np.ndarray, "n 3"]
    down: Float64[np.ndarray, "n 3"]


def normalize_cameras(
    table: CameraTable, focal: float, radius: float, up: Float64[np.ndarray, " 3"] | None
) -> tuple[CameraTable, Normalization]:
    """The cameras in our scene, at the median distance `radius`, and what was done to them.

    `up` is the world's, if it is known; else it is against the images' mean down. The front is
    where the cameras stand on average, or the first one aside if they stand all around. `focal` is
    that of the square crops.

    Raises:
        ValueError: The optical axes are parallel or all the images' ups cancel.
    """
    axes = CameraAxes(
        table.cam2world[:, :3, 3], table.cam2world[:, :3, 2], table.cam2world[:, :3, 1]
    )
    pivot = nearest_point(axes)
    offsets = axes.centers - pivot
    turn = _upright_rotation(offsets, -axes.down.mean(axis=0) if up is None else up)
    distances = np.linalg.norm(offsets, axis=1)
    scale = radius / float(np.median(distances))
    moved = table.cam2world.copy()
    moved[:, :3, :3] = turn @ table.cam2world[:, :3, :3]
    moved[:, :3, 3] = scale * offsets @ turn.T
    miss = np.linalg.norm(np.cross(offsets, axes.forward), axis=1)
    low, high = np.quantile(scale * distances, [0.05, 0.95])
    box = BOX_PER_VIEW * radius / focal
    return replace(table, cam2world=moved), Normalization(
        pivot=tuple(pivot.tolist()),
        rotation=tuple(turn.ravel().tolist()),
        scale=scale,
        radius_q05=float(low),
        radius_q95=float(high),
        axes_miss=float(np.sqrt((miss**2).mean()) * scale),
        near=max(float(low) - HALF_DIAGONAL * box, MIN_NEAR * radius),
        far=float(high) + HALF_DIAGONAL * box,
        box_warp=box,
    )


def nearest_point(axes: CameraAxes) -> Float64[np.ndarray, " 3"]:
    """The point nearest to all optical axes, by least squares.

    Raises:
        ValueError: The axes are parallel.
    """
    across = np.eye(3) - axes.forward[:, :, None] * axes.forward[:, None, :]  # n 3 3
    matrix = across.mean(axis=0)
    if np.linalg.eigvalsh(matrix)[0] < MIN_SPREAD:
        raise ValueError(
            "prepare.given.normalize must be never for cameras that all look the same way, whose "
            "axes meet nowhere; move them into the scene's frame yourself"
        )
    return np.linalg.solve(matrix, np.einsum("nij,nj->i", across, axes.centers) / len(across))


def outlying_distances(
    distances: Float64[np.ndarray, " n"], max_deviation: float
) -> tuple[Bool[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Mask of distances too far from the median, and deviations of all in robust units."""
    median = float(np.median(distances))
    deviation = GAUSSIAN * float(np.median(np.abs(distances - median)))
    scores = np.abs(distances - median) / max(deviation, MIN_DEVIATION * median)
    return scores > max_deviation, scores


def _upright_rotation(
    offsets: Float64[np.ndarray, "n 3"], up: Float64[np.ndarray, " 3"]
) -> Float64[np.ndarray, "3 3"]:
    """The rotation that makes up y and the front z."""
    length = float(np.linalg.norm(up))
    if length < MIN_SPREAD:
        raise ValueError(
            "prepare.given.up must be world for images whose ups cancel; state the world's up"
        )
    y = up / length
    level = offsets - (offsets @ y)[:, None] * y
    directions = np.concatenate([level.mean(axis=0, keepdims=True), level])
    aside = np.linalg.norm(directions, axis=1)
    z = directions[(aside > MIN_FRONT * np.linalg.norm(offsets, axis=1).mean()).argmax()]
    z = z / np.linalg.norm(z)
    return np.stack([np.cross(y, z), y, z])
