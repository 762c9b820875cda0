"""Signed distances of simple bodies and their smooth combinations, in float32.

Points come as three arrays x, y, z; Python floats keep NumPy in single precision.
"""

import numpy as np
from jaxtyping import Float32

Axis = Float32[np.ndarray, " m"]
Triple = tuple[float, float, float]


def length(x: Axis, y: Axis, z: Axis) -> Axis:
    """Euclidean norm."""
    return np.sqrt(x * x + y * y + z * z)


def sphere(x: Axis, y: Axis, z: Axis, center: Triple, radius: float) -> Axis:
    """Exact distance."""
    return length(x - center[0], y - center[1], z - center[2]) - radius


def ellipsoid(x: Axis, y: Axis, z: Axis, center: Triple, radii: Triple) -> Axis:
    """First-order distance: k0 (k0 - 1) / |gradient|."""
    x = (x - center[0]) * (1 / radii[0])
    y = (y - center[1]) * (1 / radii[1])
    z = (z - center[2]) * (1 / radii[2])
    k0 = length(x, y, z)
    k1 = length(x * (1 / radii[0]), y * (1 / radii[1]), z * (1 / radii[2]))
    return k0 * (k0 - 1) / (k1 + 1e-6)


def capsule(
    x: Axis, y: Axis, z: Axis, start: Triple, end: Triple, radius: float, end_radius: float
) -> Axis:
    """A segment with round ends whose radius changes along it."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    scale = 1 / (dx * dx + dy * dy + dz * dz)
    x, y, z = x - start[0], y - start[1], z - start[2]
    along = np.clip((x * dx + y * dy + z * dz) * scale, 0, 1)
    distance = length(x - along * dx, y - along * dy, z - along * dz)
    return distance - (radius + along * (end_radius - radius))


def smooth_min(a: Axis, b: Axis, k: float) -> Axis:
    """Union whose seam is rounded over a width k."""
    h = np.maximum(k - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h * (0.25 / k)


def smooth_max(a: Axis, b: Axis, k: float) -> Axis:
    """Intersection whose seam is rounded over a width k."""
    h = np.maximum(k - np.abs(a - b), 0)
    return np.maximum(a, b) + h * h * (0.25 / k)


def ramp(value: Axis, low: float, high: float) -> Axis:
    """0 below low, 1 above high, linear between."""
    return np.clip((value - low) * (1 / (high - low)), 0, 1)
