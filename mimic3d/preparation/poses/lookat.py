"""Camera and crop together, from landmarks: look-at PnP by variable projection. Without torch.

A camera on a sphere that looks at its centre has two unknown angles. What else a photo leaves open,
the crop's place, size and turn, is a similarity between positions q in the crop and p in the photo,
p = a q + b as complex numbers, and has a closed form for every pair of angles. So only the angles
are searched: on a grid, then by Levenberg-Marquardt. No initial guess, any turn in the plane, and
never a reflection (a q, not a conj(q)); crop and camera agree by construction.

Positions in a photo are in pixels from the corner of its top left pixel (whose middle is 0.5, 0.5);
positions in a crop are shares of its side from its middle.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128, Float64

Point = tuple[float, float, float]

GRID_YAW_RAD = np.radians(np.arange(-75, 76, 15))
GRID_PITCH_RAD = np.radians(np.arange(-45, 46, 15))
MAX_STEP_RAD = 0.35  # of one iteration, a step and a bit of the grid
ITERATIONS = 20  # 12 suffice from the grid; the loop ends earlier when all steps are tiny
CONVERGED_RAD = 1e-9
DIFFERENCE_RAD = 1e-5  # of the central differences
START_DAMPING = 1e-4
TINY = 1e-300  # keeps 0 / 0 a 0: all landmarks on one spot have a crop of size 0


@dataclass(frozen=True)
class Orbit:
    """The sphere of cameras around the point they look at; `Scene`'s defaults."""

    pivot: Point = (0.0, 0.0, 0.2)
    radius: float = 2.7
    focal: float = 4.2647
    """Focal length divided by the crop's side (EG3D's FFHQ crops)."""

    def intrinsics(self) -> Float64[np.ndarray, "3 3"]:
        """Pinhole matrix normalised by the crop's side, principal point in the middle."""
        return np.array([[self.focal, 0, 0.5], [0, self.focal, 0.5], [0, 0, 1.0]])


@dataclass(frozen=True)
class LookAtFit:
    """Cameras and crops of n photos."""

    angles: Float64[np.ndarray, "n 2"]
    """Yaw and pitch of the cameras, rad; they have no roll."""
    scale: Complex128[np.ndarray, " n"]
    """Factor a of p = a q + b: the crop's side in pixels, and its turn as the angle."""
    shift: Complex128[np.ndarray, " n"]
    """Shift b of p = a q + b: the crop's middle in pixels."""
    rms: Float64[np.ndarray, " n"]
    """Root mean square distance of the landmarks from the template, share of the crop's side."""

    def __getitem__(self, index: slice | np.ndarray) -> "LookAtFit":
        return LookAtFit(self.angles[index], self.scale[index], self.shift[index], self.rms[index])

    @property
    def corners(self) -> Float64[np.ndarray, "n 4 2"]:
        """Corners of the crops, pixels, clockwise from the top left."""
        crop = np.array([-0.5 - 0.5j, 0.5 - 0.5j, 0.5 + 0.5j, -0.5 + 0.5j])
        return to_points(self.scale[:, None] * crop + self.shift[:, None])

    def cam2world(self, orbit: Orbit) -> Float64[np.ndarray, "n 4 4"]:
        """The cameras (OpenCV axes) of the crops."""
        return look_at(self.angles, orbit)


def to_complex(points: Float64[np.ndarray, "*n 2"]) -> Complex128[np.ndarray, "*n"]:
    """Positions (x, y) as x + iy."""
    return points[..., 0] + 1j * points[..., 1]


def to_points(numbers: Complex128[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n 2"]:
    """Inverse of `to_complex`."""
    return np.stack([np.real(numbers), np.imag(numbers)], axis=-1)


def look_at(angles: Float64[np.ndarray, "n 2"], orbit: Orbit) -> Float64[np.ndarray, "n 4 4"]:
    """Upright cameras that look at the pivot; the same as `mimic3d.cameras.orbit_cameras`."""
    (cos_yaw, cos_pitch), (sin_yaw, sin_pitch) = np.cos(angles).T, np.sin(angles).T
    outward = np.stack([sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch], axis=-1)  # n 3
    right = np.stack([cos_yaw, np.zeros_like(cos_yaw), -sin_yaw], axis=-1)
    down = np.cross(-outward, right)
    cam2world = np.tile(np.eye(4), (len(angles), 1, 1))
    position = np.asarray(orbit.pivot) + orbit.radius * outward
    cam2world[:, :3] = np.stack([right, down, -outward, position], axis=-1)
    return cam2world


def project(
    points: Float64[np.ndarray, "m 3"], cam2world: Float64[np.ndarray, "n 4 4"], focal: float
) -> Complex128[np.ndarray, "n m"]:
    """World points in the crops."""
    local = (points - cam2world[:, None, :3, 3]) @ cam2world[:, :3, :3]  # n m 3, camera axes
    return focal * to_complex(local[..., :2]) / local[..., 2]


def fit_look_at(
    pixels: Float64[np.ndarray, "n m 2"],
    weights: Float64[np.ndarray, "n m"],
    template: Float64[np.ndarray, "m 3"],
    orbit: Orbit,
    start: Float64[np.ndarray, "n 2"] | None = None,
) -> LookAtFit:
    """The cameras and crops in which the template lies on the landmarks of n photos.

    Weighted least squares in pixels; weight 0 leaves a landmark out, every photo needs three.
    `start` replaces the grid by known angles (rad), for fits that are repeated.
    """
    p = to_complex(pixels)
    angles = _search_grid(p, weights, template, orbit) if start is None else start
    cost, scale, shift, residual = _fit_crops(angles, p, weights, template, orbit)
    damping = np.full(len(p), START_DAMPING)
    for _ in range(ITERATIONS):
        step = _step(angles, residual, p, weights, template, orbit, damping)
        tried = _fit_crops(angles + step, p, weights, template, orbit)
        better = tried[0] < cost
        damping = np.where(better, damping * 0.3, damping * 10)
        angles = np.where(better[:, None], angles + step, angles)
        cost, scale, shift = (
            np.where(better, new, old)
            for new, old in zip(tried[:3], (cost, scale, shift), strict=True)
        )
        residual = np.where(better[:, None], tried[3], residual)
        if np.abs(step).max() < CONVERGED_RAD:
            break
    spread = np.sqrt(cost / weights.sum(axis=1))
    side = np.abs(scale)
    rms = np.divide(spread, side, out=np.full_like(spread, np.inf), where=side > 0)
    return LookAtFit(angles, scale, shift, rms)


def _fit_crops(
    angles: Float64[np.ndarray, "n 2"],
    p: Complex128[np.ndarray, "n m"],
    weights: Float64[np.ndarray, "n m"],
    template: Float64[np.ndarray, "m 3"],
    orbit: Orbit,
) -> tuple[
    Float64[np.ndarray, " n"],
    Complex128[np.ndarray, " n"],
    Complex128[np.ndarray, " n"],
    Complex128[np.ndarray, "n m"],
]:
    """Squared error, a, b and residual of the best p = a q + b for given angles."""
    q = project(template, look_at(angles, orbit), orbit.focal)
    total = weights.sum(axis=1, keepdims=True)
    q_mean = (weights * q).sum(axis=1, keepdims=True) / total
    p_mean = (weights * p).sum(axis=1, keepdims=True) / total
    dq, dp = q - q_mean, p - p_mean
    scale = (weights * dp * dq.conj()).sum(axis=1) / (weights * np.abs(dq) ** 2).sum(axis=1)
    residual = dp - scale[:, None] * dq
    cost = (weights * np.abs(residual) ** 2).sum(axis=1)
    return cost, scale, p_mean[:, 0] - scale * q_mean[:, 0], residual


def _search_grid(
    p: Complex128[np.ndarray, "n m"],
    weights: Float64[np.ndarray, "n m"],
    template: Float64[np.ndarray, "m 3"],
    orbit: Orbit,
) -> Float64[np.ndarray, "n 2"]:
    """The best angles of the grid: the errors of `_fit_crops`, all at once."""
    grid = np.stack(np.meshgrid(GRID_YAW_RAD, GRID_PITCH_RAD, indexing="ij"), axis=-1)
    angles = grid.reshape(-1, 2)
    q = project(template, look_at(angles, orbit), orbit.focal)
    total = weights.sum(axis=1, keepdims=True)
    dp = p - (weights * p).sum(axis=1, keepdims=True) / total
    cross = (weights * dp) @ q.conj().T
    spread_q = weights @ (np.abs(q) ** 2).T - np.abs(weights @ q.T) ** 2 / total
    explained = np.abs(cross) ** 2 / spread_q
    return angles[explained.argmax(axis=1)]


def _step(
    angles: Float64[np.ndarray, "n 2"],
    residual: Complex128[np.ndarray, "n m"],
    p: Complex128[np.ndarray, "n m"],
    weights: Float64[np.ndarray, "n m"],
    template: Float64[np.ndarray, "m 3"],
    orbit: Orbit,
    damping: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, "n 2"]:
    """A damped Gauss-Newton step of the angles (Marquardt's scaling)."""
    slopes = []
    for axis in np.eye(2) * DIFFERENCE_RAD:
        ahead = _fit_crops(angles + axis, p, weights, template, orbit)[3]
        behind = _fit_crops(angles - axis, p, weights, template, orbit)[3]
        slopes.append((ahead - behind) / (2 * DIFFERENCE_RAD))
    jacobian = np.stack(slopes, axis=-1)  # n m 2
    hessian = np.einsum("nm,nmi,nmj->nij", weights, jacobian.conj(), jacobian).real
    gradient = np.einsum("nm,nmi,nm->ni", weights, jacobian.conj(), residual).real
    diagonal = np.einsum("nii->ni", hessian) * damping[:, None] + TINY
    hessian = hessian + diagonal[:, :, None] * np.eye(2)
    step = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return np.clip(step, -MAX_STEP_RAD, MAX_STEP_RAD)
