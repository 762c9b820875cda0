"""A template learnt from landmarks alone, for any kind of object. Without torch.

Rounds of two steps: the cameras of all images, given the template; then one Gauss-Newton step of
the template's points over the images that fit best, the cameras following. Left and right stay
mirror images and a faint pull leads to the start. Scale, place and tilt of a template are free,
since cameras and crops take them up; they stay as they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex128, Float64, Int
from pydantic import Field, NonNegativeFloat, PositiveInt

from mimic3d.config import Config
from mimic3d.preparation.poses.landmark_table import LandmarkTable
from mimic3d.preparation.poses.lookat import (
    DIFFERENCE_RAD,
    LookAtFit,
    Orbit,
    fit_look_at,
    look_at,
    project,
    to_complex,
)
from mimic3d.preparation.poses.template import MIN_POINTS, Template

Points = Float64[np.ndarray, "m 3"]

MAX_HALVINGS = 4  # of a step that makes the error larger


class LearningConfig(Config):
    """Learning of a template from landmarks."""

    num_images: PositiveInt = 1000
    """Images to learn from, spread over the table; 60 gave nearly the same as 500."""
    max_rounds: PositiveInt = 40
    """Rounds, unless the error stops falling before; 3 to 8 are usual."""
    min_gain: float = Field(default=1e-4, ge=0, lt=1)
    """Share by which the error must fall in a round, or learning ends."""
    kept_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the images, those that fit best, that move the points."""
    pull: NonNegativeFloat = 1e-4
    """Weight of the start against that of the landmarks."""
    extent: float = Field(default=0.5, gt=0, le=1)
    """Height or width of the template, the larger one, share of the crop; used without a start."""


@dataclass(frozen=True)
class Learnt:
    """A template and how well it fits, round by round."""

    template: Template
    rms: tuple[float, ...]
    """Root mean square distance from the landmarks over the best images, share of the crop's side:
    of the start, then after every round; it falls every time."""


@dataclass(frozen=True)
class _Round:
    """The cameras for one template."""

    points: Points
    cameras: LookAtFit
    best: Int[np.ndarray, " k"]
    """Images that fit best."""
    rms: float


def learn_template(table: LandmarkTable, start: Template, cfg: LearningConfig) -> Learnt:
    """The template that fits the landmarks of all images better than the start.

    Raises:
        ValueError: The table lacks points of the template or has others.
    """
    start = start.symmetric()
    table = choose_images(table.arrange(start.names), cfg.num_images, MIN_POINTS)
    rounds = [_fit_cameras(start.points, table, start.orbit, cfg, None)]
    while len(rounds) <= cfg.max_rounds:
        better = _improve(rounds[-1], table, start, cfg)
        if better is None:
            break
        rounds.append(better)
    return Learnt(replace(start, points=rounds[-1].points), tuple(one.rms for one in rounds))


def choose_images(table: LandmarkTable, num: int, min_points: int) -> LandmarkTable:
    """Images with enough landmarks, at most `num`, evenly from the whole table."""
    rows = np.flatnonzero((table.weights > 0).sum(axis=1) >= min_points)
    picked = np.linspace(0, len(rows) - 1, min(num, len(rows))).round().astype(int)
    return table.select([table.images[row] for row in rows[picked]])


def _fit_cameras(
    points: Points,
    table: LandmarkTable,
    orbit: Orbit,
    cfg: LearningConfig,
    angles: Float64[np.ndarray, "n 2"] | None,
) -> _Round:
    cameras = fit_look_at(table.positions, table.weights, points, orbit, angles)
    best = np.flatnonzero(cameras.rms <= np.quantile(cameras.rms, cfg.kept_share))
    return _Round(points, cameras, best, float(np.sqrt((cameras.rms[best] ** 2).mean())))


def _improve(
    last: _Round, table: LandmarkTable, start: Template, cfg: LearningConfig
) -> _Round | None:
    """The next round; None if no part of the step helps."""
    step = _step(last, table, start, cfg.pull)
    for halvings in range(MAX_HALVINGS):
        points = last.points + step / 2**halvings
        tried = _fit_cameras(points, table, start.orbit, cfg, last.cameras.angles)
        if tried.rms < last.rms * (1 - cfg.min_gain):
            return tried
    return None


def _step(last: _Round, table: LandmarkTable, start: Template, pull: float) -> Points:
    """Gauss-Newton, in the movements that keep symmetry and are no mere drift."""
    hessian, gradient = _normal_equations(last, table, start.orbit)
    stiffness = pull * np.trace(hessian) / len(hessian)
    hessian = hessian + stiffness * np.eye(len(hessian))
    gradient = gradient + stiffness * (start.points - last.points).ravel()
    free = _symmetric_movements(start.twins)
    drift = free.T @ _drifts(last.points)
    held = free.T @ hessian @ free + np.trace(hessian) * drift @ drift.T
    return (free @ np.linalg.solve(held, free.T @ gradient)).reshape(-1, 3)


def _normal_equations(
    last: _Round, table: LandmarkTable, orbit: Orbit
) -> tuple[Float64[np.ndarray, "d d"], Float64[np.ndarray, " d"]]:
    """Normal equations of the points' coordinates, in the crops, cameras and crops adapted.

    What adapting takes up of a movement is its projection onto what cameras and crops can do
    (variable projection, as in `lookat`).
    """
    points, cameras = last.points, last.cameras[last.best]
    root = np.sqrt(table.weights[last.best])
    p = to_complex(table.positions[last.best])
    cam2world = look_at(cameras.angles, orbit)
    q = project(points, cam2world, orbit.focal)
    error = root * ((p - cameras.shift[:, None]) / cameras.scale[:, None] - q)
    slope = root[..., None] * _slopes(points, cam2world, orbit.focal)  # n m 3
    turned = [
        (project(points, look_at(cameras.angles + axis, orbit), orbit.focal) - q) / DIFFERENCE_RAD
        for axis in np.eye(2) * DIFFERENCE_RAD
    ]
    adapting = np.stack([*turned, q, 1j * q, np.ones_like(q), 1j * np.ones_like(q)], axis=-1)
    adapting = root[..., None] * adapting
    basis = np.linalg.qr(np.concatenate([np.real(adapting), np.imag(adapting)], axis=1))[
        0
    ]  # n 2m 6
    real, imaginary = np.split(basis, 2, axis=1)
    taken = np.einsum("nmk,nmi->nkmi", real, np.real(slope))
    taken += np.einsum("nmk,nmi->nkmi", imaginary, np.imag(slope))
    taken = taken.reshape(-1, points.size)
    hessian = -taken.T @ taken
    own = np.einsum("nmi,nmj->mij", slope.conj(), slope).real
    index = np.arange(len(points))
    hessian.reshape(len(points), 3, len(points), 3)[index, :, index] += own
    return hessian, np.einsum("nmi,nm->mi", slope.conj(), error).real.ravel()


def _slopes(
    points: Points, cam2world: Float64[np.ndarray, "n 4 4"], focal: float
) -> Complex128[np.ndarray, "n m 3"]:
    """Derivatives of `project` by the points."""
    local = (points - cam2world[:, None, :3, 3]) @ cam2world[:, :3, :3]
    depth = local[..., 2:]
    right, down, forward = np.moveaxis(cam2world[:, None, :3, :3], 3, 0)  # n 1 3 each
    projected = to_complex(local[..., :2])[..., None] / depth
    return focal * (right + 1j * down - projected * forward) / depth


def _symmetric_movements(twins: Int[np.ndarray, " m"]) -> Float64[np.ndarray, "d f"]:
    """Movements of the points that keep left and right mirror images, orthonormal columns."""
    columns = []
    for here, there in enumerate(twins):
        for axis, sign in enumerate((-1.0, 1.0, 1.0)):
            if here < there or (here == there and sign > 0):
                column = np.zeros((len(twins), 3))
                column[here, axis], column[there, axis] = 1.0, sign if here < there else 1.0
                columns.append(column.ravel() / np.linalg.norm(column))
    return np.stack(columns, axis=1)


def _drifts(points: Points) -> Float64[np.ndarray, "d 4"]:
    """Movements that cameras and crops take up: scale, up, forwards, tilt; orthonormal columns."""
    centred = points - points.mean(axis=0)
    _, up, forwards = np.eye(3)
    tilt = np.cross([1.0, 0.0, 0.0], centred)
    ones = np.ones((len(points), 1))
    movements = (centred, ones * up, ones * forwards, tilt)
    return np.linalg.qr(np.stack([movement.ravel() for movement in movements], axis=1))[0]
