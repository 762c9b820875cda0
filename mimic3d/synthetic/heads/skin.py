"""The skin of a head as a signed distance: skull, neck, ears, face, lids and lips."""

from types import SimpleNamespace

from mimic3d.synthetic import eyes
from mimic3d.synthetic.arrays import Scalars, full_like, minimum, where
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import (
    Capsule,
    Ellipsoid,
    Sphere,
    smooth_max,
    smooth_min,
    vector,
)

FACE_Z = 0.05  # features of the face shape the skin in front of this plane only


def tabulate(s: SimpleNamespace) -> dict[str, ParameterGroup]:
    """The bodies that make the skin of n heads, from their shapes."""
    w, length = s.width, s.length
    tip_y = -0.034 - s.nose_length
    nose_end = vector(0, tip_y + 0.006, 0.224 + s.nose_z)
    return {
        "skull": {
            "cranium": Ellipsoid.of(vector(0, 0.115, -0.03), vector(0.196 * w, 0.235, 0.238)),
            "jaw": Ellipsoid.of(
                vector(0, -0.075 * length, 0.035), vector(0.156 * w * s.jaw, 0.205 * length, 0.148)
            ),
            "neck": Capsule.of(
                vector(0, -0.18, -0.05), vector(0, -0.5, -0.085), 0.108 * w, 0.112 * w
            ),
        },
        "ears": {
            "outer": Ellipsoid.of(
                vector(0.194 * w, 0.012, -0.025), vector(0.019, 0.056 * s.ear, 0.036 * s.ear)
            ),
            "inner": Ellipsoid.of(
                vector(0.213 * w, 0.016, -0.013), vector(0.013, 0.038 * s.ear, 0.022 * s.ear)
            ),
        },
        "face": {
            "chin": Sphere(vector(0, -0.232 * length + s.chin_y, 0.128 + s.chin_z), 0.046),
            "cheek": Sphere(vector(0.088 * w, -0.045, 0.098 + s.cheek), 0.062),
            "brow": Capsule.of(
                vector(0, 0.098, 0.176 + s.brow),
                vector(0.095 * w, 0.098, 0.140 + s.brow),
                0.024,
                0.02,
            ),
            "socket": Sphere(vector(s.eye_x, s.eye_y, 0.212), 0.048),
            "muzzle": Ellipsoid.of(
                vector(0, s.mouth_y - 0.002, 0.136), vector(0.080, 0.052, 0.044)
            ),
            "bridge": Capsule.of(
                vector(0, 0.062, 0.166 + s.bridge),
                nose_end,
                0.013 * s.nose_width,
                0.022 * s.nose_width,
            ),
            "tip": Sphere(vector(0, tip_y, 0.229 + s.nose_z), 0.0245 * (0.6 + 0.4 * s.nose_width)),
            "wing": Ellipsoid.of(
                vector(0.0265 * s.nose_width, tip_y - 0.009, 0.207 + s.nose_z),
                vector(0.017, 0.0165, 0.022),
            ),
            "nostril": Ellipsoid.of(
                vector(0.0125 * s.nose_width, -0.060 - s.nose_length, 0.218 + s.nose_z),
                vector(0.0075, 0.008, 0.012),
            ),
        },
        "lips": {
            "y": s.mouth_y,
            "inverse_width": 1 / s.mouth_width,
            "smile": s.smile,
            "smirk": s.smirk,
            "inverse_upper": 1 / (0.0155 * s.lip),
            "inverse_lower": 1 / (0.0195 * s.lip),
        },
    }


def skin(points: Points) -> Scalars:
    """Head, ears and neck without eyeballs; face and ears where they can matter."""
    t, p, y = points.of("skull"), points.folded, points.y
    d = smooth_min(t.cranium.distance(p), t.jaw.distance(p), 0.07)
    front, front_points = points.where((points.z > FACE_Z) & (y < 0.2))
    if len(front_points):
        d[front] = face(front_points, d[front])
    sides, side_points = points.where((p[0] > 0.15) & (abs(y) < 0.2))
    if len(side_points):
        d[sides] = ears(side_points, d[sides])
    return smooth_min(d, t.neck.distance(p), 0.05) * 0.9  # smooth unions overestimate a little


def face(points: Points, d: Scalars) -> Scalars:
    """Chin, cheeks, brow, sockets, nose, muzzle, lips and lids."""
    t, p = points.of("face"), points.folded
    d = smooth_min(d, t.chin.distance(p), 0.07)
    d = smooth_min(d, t.cheek.distance(p), 0.06)
    d = smooth_min(d, t.brow.distance(p), 0.05)
    d = smooth_max(d, -t.socket.distance(p), 0.045)
    nose = smooth_min(t.bridge.distance(p), t.tip.distance(p), 0.02)
    nose = smooth_min(nose, t.wing.distance(p), 0.018)
    d = smooth_min(d, nose, 0.026)
    d = smooth_max(d, -t.nostril.distance(p), 0.006)
    d = smooth_min(d, t.muzzle.distance(p), 0.05)
    inside, crease = lips(points)
    q = inside.clip(0, 1)
    d = d - 0.0085 * q * (2 - q) + 0.0055 * crease * crease * (3 - 2 * crease)
    return smooth_min(d, eyes.lids(points), 0.006)


def ears(points: Points, d: Scalars) -> Scalars:
    """Adds hollowed ears."""
    t, p = points.of("ears"), points.folded
    return smooth_min(d, smooth_max(t.outer.distance(p), -t.inner.distance(p), 0.012), 0.02)


def lips(points: Points) -> tuple[Scalars, Scalars]:
    """Depth inside the lips (> 0), and the crease between them (0..1), in frontal projection."""
    t, ax = points.of("lips"), points.folded[0]
    u2 = (ax * t.inverse_width) ** 2
    height = points.y - t.smile * u2 - t.smirk * points.x - t.y
    bow = 0.0022 * (1 - abs(ax - 0.014) * 70).clip(0, 1)
    inside = 1 - u2 + minimum((bow - height) * t.inverse_upper, height * t.inverse_lower)
    off = (points.z < 0.09) | (u2 > 1.05)
    crease = (1 - abs(height) * (1 / 0.0042)).clip(0, 1)
    return where(off, full_like(inside, -1), inside), where(off, full_like(crease, 0), crease)
