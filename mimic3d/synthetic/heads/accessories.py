"""Glasses, earring and clothes of a head as signed distances."""

from types import SimpleNamespace

from mimic3d.synthetic.arrays import Scalars, minimum, sqrt
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import (
    Capsule,
    Ellipsoid,
    Sphere,
    smooth_max,
    smooth_min,
    vector,
)


def tabulate(s: SimpleNamespace, w: SimpleNamespace) -> dict[str, ParameterGroup]:
    """Bodies that n heads wear, from their shapes and wear."""
    radius, level = w.glasses_radius, s.eye_y + 0.004
    return {
        "glasses": {
            "present": radius > 0,
            "radius": radius,
            "x": s.eye_x,
            "y": s.eye_y - 0.004,
            "bridge": Capsule.of(
                vector(0, level, 0.200), vector(s.eye_x - radius, level, 0.192), 0.004, 0.004
            ),
            "temple": Capsule.of(
                vector(s.eye_x + radius, level + 0.002, 0.174),
                vector(0.206 * s.width, 0.03, -0.02),
                0.0045,
                0.0045,
            ),
        },
        "earring": {
            "present": w.earring > 0,
            "pearl": Sphere(
                vector(0.205 * s.width, 0.012 - 0.056 * s.ear - 0.5 * w.earring, -0.018), w.earring
            ),
        },
        "clothes": {
            "shoulders": Ellipsoid.of(vector(0, -0.575, -0.055), vector(0.46, 0.24, 0.20)),
            "collar": Capsule.of(
                vector(0, -0.32, -0.066), vector(0, -0.44, -0.08), 0.122 * s.width, 0.155 * s.width
            ),
        },
    }


def glasses(points: Points) -> Scalars:
    """Round frames, bridge and temples."""
    t, p = points.of("glasses"), points.folded
    x, y, z = p[0] - t.x, p[1] - t.y, p[2] - 0.192 + 0.9 * p[0] * p[0]
    ring = sqrt(x * x + y * y * 1.25) - t.radius
    d = sqrt(ring * ring + z * z) - 0.0045
    return minimum(minimum(d, t.bridge.distance(p)), t.temple.distance(p)) * 0.9


def earring(points: Points) -> Scalars:
    """A pearl below the left ear only."""
    return points.of("earring").pearl.distance(points.xyz)


def clothes(points: Points) -> Scalars:
    """Shoulders and a collar around the neck."""
    t, (_, y, z) = points.of("clothes"), points.xyz
    cut = y + 0.305 - 0.25 * (z + 0.07)  # open towards the chin, higher at the nape
    collar = smooth_max(t.collar.distance(points.xyz), cut + 0.5 * z.clip(0, 0.1), 0.01)
    return smooth_min(t.shoulders.distance(points.xyz), collar, 0.03)
