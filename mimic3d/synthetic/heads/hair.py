"""The hair of a head as a signed distance, and the phase of its strands."""

from types import SimpleNamespace

import numpy as np

from mimic3d.synthetic.arrays import (
    Scalars,
    Vectors,
    any_flagged,
    atan2,
    select,
    sin,
    stack,
    where_flag,
)
from mimic3d.synthetic.identity import flags
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import (
    Ellipsoid,
    Sphere,
    ramp,
    smooth_max,
    smooth_min,
    vector,
)

CENTER = (0.0, 0.125, -0.045)
BEHIND = 0.36  # how far behind the origin the strands would meet
SIZES = {"short": 1.0, "long": 1.05, "bob": 1.07, "bald": 1.0, "bun": 0.985, "afro": 1.22}
CURTAINS = {
    "long": ((0.165, -0.12, -0.07), (0.075, 0.30, 0.115)),
    "bob": ((0.175, -0.03, -0.06), (0.062, 0.21, 0.12)),
}


def tabulate(s: SimpleNamespace, w: SimpleNamespace) -> dict[str, ParameterGroup]:
    """The bodies that the hair of n heads is made of, from their shapes and what they wear."""
    size = w.volume * np.asarray([SIZES[style.chosen] for style in w.style])
    unused = CURTAINS["bob"]  # by heads that are not curtained
    places = [CURTAINS.get(style.chosen, unused) for style in w.style]
    center, radii = (np.asarray(part).T.copy() for part in zip(*places, strict=True))
    center[0] *= s.width
    up = 0.03 * flags(w.style, "bun")
    return {
        "hair": {
            "present": 1 - flags(w.style, "bald"),
            "curtained": flags(w.style, "long", "bob"),
            "cropped": flags(w.style, "short", "bun", "afro"),
            "knotted": flags(w.style, "bun"),
            "curly": flags(w.style, "afro"),
            "cap": Ellipsoid.of(
                vector(*CENTER), vector(0.214 * s.width * size, 0.245 * size, 0.246 * size)
            ),
            "curtain": Ellipsoid.of(center, radii),
            "knot": Sphere(vector(0, 0.34, -0.13), 0.08),
            "opening": Ellipsoid.of(
                vector(0, -0.035 + w.hairline + up, 0.225), vector(0.168 * s.width, 0.215, 0.26)
            ),
            "ear": Ellipsoid.of(vector(0.235 * s.width, -0.01, 0.01), vector(0.05, 0.075, 0.055)),
            "nape": -0.02 - 0.03 * flags(w.style, "afro"),
            "part": w.part,
            "sweep": w.sweep,
            "strands": w.strands,
            "waves": w.waves,
        }
    }


def hair(points: Points) -> Scalars:
    """The hair of heads that are not bald, parted off the middle."""
    t, p = points.of("hair"), points.xyz
    d = t.cap.distance(p)
    if any_flagged(t.curtained):
        curtain = t.curtain.distance(points.folded)
        d = where_flag(t.curtained, smooth_min(d, curtain, 0.08), d)
    if any_flagged(t.knotted):
        d = where_flag(t.knotted, smooth_min(d, t.knot.distance(p), 0.02), d)
    d = smooth_max(d, -t.opening.distance(swept(points)), 0.02)
    if any_flagged(t.cropped):  # ears and neck stay clear
        nape = t.nape - p[1] - 1.4 * (-p[2] - 0.02).clip(0, 0.12)
        clear = smooth_max(d, nape, 0.03)
        clear = smooth_max(clear, -t.ear.distance(points.folded), 0.02)
        d = where_flag(t.cropped, clear, d)
    return (d + select(t.curly, curls, locks, points)) * 0.9  # the relief makes it steeper


def swept(points: Points) -> Vectors:
    """Positions as the opening for the face sees them: moved by the parting, and slanted."""
    t, (x, y, z) = points.of("hair"), points.xyz
    aside = x - t.part * ((y - 0.1) * 4).clip(0, 1)
    notch = 0.035 * (1 - abs(x - t.part) * 22).clip(0, 1)
    return stack([aside, y - t.sweep * (x - t.part) - notch, z])


def strand_phase(points: Points) -> Scalars:
    """Angle that runs across the strands."""
    t, (x, y, z) = points.of("hair"), points.xyz
    phase = atan2(x - t.part, z + BEHIND) * t.strands + y * 14
    if any_flagged(t.waves):
        phase = phase + t.waves * (2.5 * sin(y * 55 + x * 9))
    return phase


def curls(points: Points) -> Scalars:
    """Relief of curly hair."""
    x, y, z = points.xyz
    rows = sin(x * 95 + 1.5 * sin(y * 60)) * sin(y * 88 + 1.5 * sin(z * 55))
    return 0.006 * rows * sin(z * 91 + x * 30)


def locks(points: Points) -> Scalars:
    """Relief of other hair, with the groove of the parting."""
    x, y, _ = points.xyz
    phase = strand_phase(points)
    groove = (1 - abs(x - points.of("hair").part) * 50).clip(0, 1) * ramp(y, 0.2, 0.28)
    return 0.0021 * (sin(phase) + 0.7 * sin(phase * 0.37 + y * 9 + 2)) + 0.007 * groove
