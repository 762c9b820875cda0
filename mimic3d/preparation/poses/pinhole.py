"""Cameras of images that are aligned already and shall not be cropped again. Without torch.

All six degrees of freedom of a pinhole camera of known focal length, by Levenberg-Marquardt from
the look-at fit. The camera then moves along its ray to the pivot until it stands on the orbit, as
EG3D's labels do; the roll is kept, since the image shows it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mimic3d.preparation.poses.lookat import Orbit, fit_look_at, look_at, to_points

ITERATIONS = 30
START_DAMPING = 1e-4
CONVERGED = 1e-10  # rad, and world units: the largest step of the last iteration


@dataclass(frozen=True)
class _Guess:
    """World to camera of n images, and residuals of their landmarks."""

    rotation: Float64[np.ndarray, "n 3 3"]
    translation: Float64[np.ndarray, "n 3"]
    local: Float64[np.ndarray, "n m 3"]
    """The template in camera axes."""
    residual: Float64[np.ndarray, "n m 2"]
    """Residuals of the landmarks, shares of the image's side."""
    cost: Float64[np.ndarray, " n"]


@dataclass(frozen=True)
class _Problem:
    """Landmarks from the image's middle, and the template they belong to."""

    centred: Float64[np.ndarray, "n m 2"]
    weights: Float64[np.ndarray, "n m"]
    template: Float64[np.ndarray, "m 3"]
    focal: float

    def guess(
        self, rotation: Float64[np.ndarray, "n 3 3"], translation: Float64[np.ndarray, "n 3"]
    ) -> _Guess:
        """Residuals and cost of cameras at these rotations and places."""
        local = self.template @ rotation.transpose(0, 2, 1) + translation[:, None]
        residual = self.focal * local[..., :2] / local[..., 2:] - self.centred
        cost = (self.weights * (residual**2).sum(axis=2)).sum(axis=1)
        return _Guess(rotation, translation, local, residual, cost)


def fit_pinhole(
    positions: Float64[np.ndarray, "n m 2"],
    weights: Float64[np.ndarray, "n m"],
    template: Float64[np.ndarray, "m 3"],
    orbit: Orbit,
) -> tuple[Float64[np.ndarray, "n 4 4"], Float64[np.ndarray, " n"]]:
    """Cameras of n square images, on the orbit, and how far the template is from the landmarks.

    Positions are shares of the image's side, from its top left corner; so is the distance, a root
    mean square before the camera is moved onto the orbit.
    """
    problem = _Problem(positions - 0.5, weights, template, orbit.focal)
    best = problem.guess(*_start(problem, orbit))
    damping = np.full(len(positions), START_DAMPING)
    for _ in range(ITERATIONS):
        step = _step(problem, best, damping)
        tried = problem.guess(
            _rotations(step[:, :3]) @ best.rotation, best.translation + step[:, 3:]
        )
        better = tried.cost < best.cost
        damping = np.where(better, damping * 0.3, damping * 10)
        best = _pick(better, tried, best)
        if np.abs(step).max() < CONVERGED:
            break
    rms = np.sqrt(best.cost / weights.sum(axis=1))
    return _on_orbit(best.rotation, best.translation, orbit), rms


def _start(
    problem: _Problem, orbit: Orbit
) -> tuple[Float64[np.ndarray, "n 3 3"], Float64[np.ndarray, "n 3"]]:
    """The look-at fit as a camera of the whole image.

    The crop's turn becomes the roll, its size the distance and its place the translation.
    """
    fit = fit_look_at(problem.centred, problem.weights, problem.template, orbit)
    turn = fit.scale / np.abs(fit.scale)
    roll = np.tile(np.eye(3), (len(turn), 1, 1))
    roll[:, 0, 0], roll[:, 0, 1] = turn.real, -turn.imag
    roll[:, 1, 0], roll[:, 1, 1] = turn.imag, turn.real
    rotation = roll @ look_at(fit.angles, orbit)[:, :3, :3].transpose(0, 2, 1)
    depth = (orbit.radius / np.abs(fit.scale))[:, None]
    pivot = np.concatenate([to_points(fit.shift) * depth / orbit.focal, depth], axis=1)
    return rotation, pivot - rotation @ np.asarray(orbit.pivot)


def _step(
    problem: _Problem, guess: _Guess, damping: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 6"]:
    """A damped Gauss-Newton step: a rotation vector and a translation, in camera axes."""
    x, y, z = np.moveaxis(guess.local, 2, 0)
    to_pixels = np.zeros((*z.shape, 2, 3))
    to_pixels[..., 0, 0] = to_pixels[..., 1, 1] = problem.focal / z
    to_pixels[..., 0, 2] = -problem.focal * x / z**2
    to_pixels[..., 1, 2] = -problem.focal * y / z**2
    arms = guess.local - guess.translation[:, None]
    to_local = -_cross_matrices(arms)  # w x arm = -arm x w
    jacobian = np.concatenate([to_pixels @ to_local, to_pixels], axis=-1)  # n m 2 6
    hessian = np.einsum("nm,nmki,nmkj->nij", problem.weights, jacobian, jacobian)
    gradient = np.einsum("nm,nmki,nmk->ni", problem.weights, jacobian, guess.residual)
    diagonal = np.einsum("nii->ni", hessian) * damping[:, None]
    hessian = hessian + diagonal[:, :, None] * np.eye(6)
    return -np.linalg.solve(hessian, gradient[..., None])[..., 0]


def _pick(better: np.ndarray, new: _Guess, old: _Guess) -> _Guess:
    """The better guess of each image."""
    chosen = []
    for ours, theirs in zip(vars(new).values(), vars(old).values(), strict=True):
        chosen.append(np.where(better.reshape(-1, *[1] * (ours.ndim - 1)), ours, theirs))
    return _Guess(*chosen)


def _cross_matrices(vectors: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3 3"]:
    """Matrices [v] with [v] w = v x w."""
    return np.cross(vectors[..., None, :], np.eye(3)).swapaxes(-1, -2)


def _rotations(vectors: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """Rotation matrices of rotation vectors (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    cross = _cross_matrices(vectors)
    first, second = np.sinc(angle / np.pi), np.sinc(angle / (2 * np.pi)) ** 2 / 2
    return np.eye(3) + first * cross + second * cross @ cross


def _on_orbit(
    rotation: Float64[np.ndarray, "n 3 3"], translation: Float64[np.ndarray, "n 3"], orbit: Orbit
) -> Float64[np.ndarray, "n 4 4"]:
    """Camera to world, with the position moved to the orbit's distance from its pivot."""
    to_world = rotation.transpose(0, 2, 1)
    position = -(to_world @ translation[..., None])[..., 0]
    outward = position - np.asarray(orbit.pivot)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    cam2world = np.tile(np.eye(4), (len(rotation), 1, 1))
    cam2world[:, :3, :3] = to_world
    cam2world[:, :3, 3] = np.asarray(orbit.pivot) + orbit.radius * outward
    return cam2world
