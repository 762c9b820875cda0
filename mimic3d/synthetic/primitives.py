"""Signed distances of simple bodies and their smooth combinations, in float32.

The fields of a body are numbers or vectors of three rows; one column for all points, or one column
per point. `of` makes a body from its radii and ends. As in `arrays`, tests check the callers.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float

from mimic3d.synthetic.arrays import (
    Array,
    BroadcastVector,
    Number,
    Scalars,
    Vectors,
    maximum,
    minimum,
    norm,
)

BodyVector = BroadcastVector | Float[np.ndarray, "3 #n"]  # of points, or of n identities
BodyScalar = float | Float[np.ndarray, " n"]


def vector(x: BodyScalar, y: BodyScalar, z: BodyScalar) -> Float[np.ndarray, "3 n"]:
    """Vectors of three parts, some of which may be the same for all n identities."""
    parts = np.empty((3, max(np.size(part) for part in (x, y, z))))
    parts[0], parts[1], parts[2] = x, y, z
    return parts


@dataclass(frozen=True, slots=True)
class Sphere:
    """Sphere with exact distance."""

    center: BodyVector
    radius: Number

    @no_type_check
    def distance(self, p: Vectors) -> Scalars:
        """Signed distance of points."""
        return norm(p - self.center) - self.radius


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Ellipsoid with first-order distance k0 (k0 - 1) / |gradient|."""

    center: BodyVector
    inverse: BodyVector
    """Inverse of the radii."""

    @staticmethod
    def of(center: BodyVector, radii: BodyVector) -> "Ellipsoid":
        """Ellipsoid of its centre and radii."""
        return Ellipsoid(center, 1 / radii)

    @no_type_check
    def distance(self, p: Vectors) -> Scalars:
        """Signed distance of points, exact on the surface only."""
        p = (p - self.center) * self.inverse
        k0 = norm(p)
        return k0 * (k0 - 1) / (norm(p * self.inverse) + 1e-6)


@dataclass(frozen=True, slots=True)
class Capsule:
    """A segment with round ends whose radius changes along it."""

    start: BodyVector
    span: BodyVector
    scale: Number
    """Inverse square of the span's length."""
    radius: Number
    growth: Number

    @staticmethod
    def of(
        start: BodyVector, end: BodyVector, radius: BodyScalar, end_radius: BodyScalar
    ) -> "Capsule":
        """Capsule of its ends and the radii there."""
        span = end - start
        return Capsule(start, span, 1 / (span**2).sum(axis=0), radius, end_radius - radius)

    @no_type_check
    def distance(self, p: Vectors) -> Scalars:
        """Signed distance of points; exact where the radius is constant."""
        p = p - self.start
        along = p * self.span
        along = ((along[0] + along[1] + along[2]) * self.scale).clip(0, 1)
        return norm(p - along * self.span) - (self.radius + along * self.growth)


@no_type_check
def smooth_min(a: Scalars, b: Scalars, k: float) -> Scalars:
    """Union whose seam is rounded over a width k."""
    h = (k - abs(a - b)).clip(0, k)
    return minimum(a, b) - h * h * (0.25 / k)


@no_type_check
def smooth_max(a: Scalars, b: Scalars, k: float) -> Scalars:
    """Intersection whose seam is rounded over a width k."""
    h = (k - abs(a - b)).clip(0, k)
    return maximum(a, b) + h * h * (0.25 / k)


@no_type_check
def ramp(value: Array, low: Number, high: Number) -> Array:
    """Linear ramp: 0 below low, 1 above high."""
    return ((value - low) * (1 / (high - low))).clip(0, 1)
