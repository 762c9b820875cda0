"""The body of a cat as signed distances: head, ears, chest, eyes, nose and bell."""

from types import SimpleNamespace

import numpy as np

from mimic3d.synthetic import eyes
from mimic3d.synthetic.arrays import Scalars, full_like, maximum, stack, where
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import (
    Capsule,
    Ellipsoid,
    Sphere,
    smooth_max,
    smooth_min,
    vector,
)

FACE_Z = 0.02  # features of the face shape the fur in front of this plane only
EAR_Y = 0.05  # and ears above this one
BASE_Y = 0.17  # of the ears


def tabulate(s: SimpleNamespace, bell: np.ndarray) -> dict[str, ParameterGroup]:
    """The bodies that n cats are made of, from their shapes."""
    w, m = s.width, s.muzzle
    return {
        "head": {
            "cranium": Ellipsoid.of(vector(0, 0.05, -0.02), vector(0.225 * w, 0.195, 0.205)),
            "cheek": Ellipsoid.of(
                vector(0.11 * w, -0.055, 0.06), vector(0.105 * s.cheek, 0.085, 0.09)
            ),
            "chest": Ellipsoid.of(vector(0, -0.44, -0.16), vector(0.24 * s.body, 0.34, 0.20)),
        },
        "face": {
            "pad": Ellipsoid.of(vector(0.042 * m, -0.092, 0.178), vector(0.055 * m, 0.042, 0.062)),
            "chin": Sphere(vector(0, -0.135, 0.165), 0.038),
            "bridge": Capsule.of(
                vector(0, 0.09, 0.165), vector(0, -0.045, 0.232 + s.nose_z), 0.030, 0.026
            ),
            "socket": Sphere(vector(s.eye_x, s.eye_y, 0.225), 0.055),
            "nose": Ellipsoid.of(vector(0, -0.048, 0.246 + s.nose_z), vector(0.026, 0.016, 0.018)),
        },
        "ears": {
            "x": s.ear_x,
            "lean": s.ear_lean,
            "height": 0.17 * s.ear_height,
            "inverse_height": 1 / (0.17 * s.ear_height),
            "inner": Ellipsoid.of(
                vector(0, 0.052 * s.ear_height, 0.045), vector(0.052, 0.095 * s.ear_height, 0.044)
            ),
        },
        "bell": {"ball": Sphere(vector(bell, -0.235, 0.075), 0.030)},
    }


def fur(points: Points) -> Scalars:
    """Head, ears and chest without eyeballs and nose."""
    t, p = points.of("head"), points.folded
    d = smooth_min(t.cranium.distance(p), t.cheek.distance(p), 0.08)
    front, front_points = points.where((points.z > FACE_Z) & (points.y < 0.2))
    if len(front_points):
        d[front] = face(front_points, d[front])
    top, top_points = points.where(points.y > EAR_Y)
    if len(top_points):
        d[top] = smooth_min(d[top], ears(top_points)[0] - 0.004, 0.06)
    return smooth_min(d, t.chest.distance(p), 0.10) * 0.9  # smooth unions overestimate a little


def face(points: Points, d: Scalars) -> Scalars:
    """Muzzle, chin, bridge of the nose, sockets and lids."""
    t, p = points.of("face"), points.folded
    d = smooth_min(d, t.pad.distance(p), 0.03)
    d = smooth_min(d, t.chin.distance(p), 0.03)
    d = smooth_min(d, t.bridge.distance(p), 0.05)
    d = smooth_max(d, -t.socket.distance(p), 0.04)
    return smooth_min(d, eyes.lids(points), 0.01)


def ears(points: Points) -> tuple[Scalars, Scalars]:
    """Slanted cones, flat from front to back, hollowed; and the hollow. One leans more."""
    t, (x, y, z), p = points.of("ears"), points.xyz, points.folded
    up, out = y - BASE_Y, p[0] - t.x
    lean = 0.18 + where(x > 0, full_like(x, 1), -1) * t.lean
    across, deep = out - up * lean, z + 0.03
    radius = 0.082 * (1 - (up * t.inverse_height).clip(0, 1)) + 0.010
    side = maximum(abs(across) - 0.9 * radius, abs(deep + 0.1 * up) - 0.42 * radius)
    cone = maximum(side, maximum(-up - 0.05, up - t.height)) * 0.8
    hollow = t.inner.distance(stack([across, up, deep]))
    return smooth_max(cone, -hollow, 0.02), hollow


def nose(points: Points) -> Scalars:
    """The leather of the nose."""
    return points.of("face").nose.distance(points.folded)


def bell(points: Points) -> Scalars:
    """A bell on the collar."""
    return points.of("bell").ball.distance(points.xyz)
