"""Colour of every point of a cat's surface, before light falls on it."""

from types import SimpleNamespace

import numpy as np

from mimic3d.synthetic import eyes
from mimic3d.synthetic.albedo import Albedo, Texture, blend, fill
from mimic3d.synthetic.arrays import Scalars, any_flagged, atan2, full_like, maximum, sin, sqrt
from mimic3d.synthetic.cats import body
from mimic3d.synthetic.identity import flags
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import ramp, vector

HAIRS = 55.0  # per radian around the nose, over 2 pi


def tabulate(s: SimpleNamespace, p: SimpleNamespace) -> dict[str, ParameterGroup]:
    """Colours of n cats and their places, from shapes and paint."""
    return {
        "coat": {
            "fur": p.fur,
            "marks": p.marks,
            "spot": p.spot,
            "white": vector(0.93, 0.91, 0.87),
            "ear": vector(0.85, 0.58, 0.54),
            "collar": p.collar,
            "mouth": vector(0.12, 0.08, 0.07),
            "tabby": flags(p.coat, "tabby"),
            "patched": flags(p.coat, "calico"),
            "pointed": flags(p.coat, "siamese"),
            "spotted": 1.0 - 0.45 * flags(p.coat, "siamese", "plain", "tuxedo"),
            "whiteness": p.white,
            "stripes": p.stripes,
            "phase": p.phase,
            "spot_x": p.spot_x,
            "spot_y": p.spot_y,
            "spot_size": p.spot_size,
            "blaze": p.blaze,
            "seed_x": p.seed_x,
            "seed_y": p.seed_y,
            "smile": s.smile,
        },
        "eye_paint": {
            "white": 0.3 * p.iris,
            "iris": p.iris,
            "pupil": vector(0.02, 0.02, 0.02),
            "glint": vector(1, 1, 1),
            "scale": 1 / s.eye_radius,
            "slit": 1 / p.pupil,
            "gaze_x": s.gaze_x,
            "gaze_y": s.gaze_y,
            "shade": np.sin(s.eye_open),
        },
        "flat_paint": {"nose": p.nose, "bell": vector(0.85, 0.68, 0.22)},
    }


def fur_albedo(points: Points, texture: Texture) -> Albedo:
    """Coat, patch, white parts, ears, mouth, whisker roots, collar, and hairs."""
    t, (x, y, z) = points.of("coat"), points.xyz
    plain = fill(x, t.fur)
    if any_flagged(t.tabby):
        plain = blend(plain, t.marks, t.tabby * stripes(points))
    if any_flagged(t.pointed):
        mask = ramp(0.13 - sqrt(x * x + (y + 0.03) ** 2), -0.05, 0.05) * ramp(z, 0.05, 0.15)
        plain = blend(plain, t.marks, 0.85 * t.pointed * maximum(mask, ramp(y, 0.15, 0.24)))
    if any_flagged(t.patched):
        plain = blend(plain, t.marks, t.patched * ramp(patches(points, 0.0), 0.15, 0.3))
        plain = blend(plain, t.spot, t.patched * ramp(patches(points, 2.0), 0.15, 0.3))
    around = sqrt((x - t.spot_x) ** 2 + (y - t.spot_y) ** 2)
    wobble = 0.012 * sin(x * 60 + t.seed_x) * sin(y * 70 + t.seed_y)
    spot = ramp(t.spot_size - around + wobble, -0.006, 0.006) * (z > 0)
    plain = blend(plain, t.spot, t.spotted * spot)
    muzzle = ramp(-y, 0.035, 0.07) * ramp(z + 0.5 * wobble, 0.09, 0.14)
    width = 0.026 - 0.3 * (y - 0.03).clip(0, 1)
    blaze = ramp(width - abs(x - t.blaze), 0, 0.012) * ramp(z, 0.12, 0.17)
    chest = ramp(-y - 2.2 * abs(x - t.blaze) * 0.5, 0.17, 0.21) * ramp(z, -0.06, 0.02)
    whites = maximum(muzzle, maximum(blaze, chest))
    plain = blend(plain, t.white, t.whiteness * whites)
    top, top_points = points.where(y > body.EAR_Y)
    if len(top_points):
        hollow = full_like(x, 1)
        hollow[top] = body.ears(top_points)[1]
        plain = blend(plain, t.ear, 0.85 * ramp(-hollow, -0.004, 0.006))
    plain = blend(plain, t.mouth, 0.7 * mouth(points))
    tone = hairs(points, texture) - 0.5 * roots(points, texture)
    collar = ramp(0.016 - abs(y + 0.205 + 0.35 * (0.10 - z)), 0, 0.004) * (z < 0.14)
    furry = Albedo.textured(plain, tone)
    weave = 1 + 0.25 * texture.wave(x * 330, 330) * texture.wave(y * 330, 330)
    return Albedo(
        blend(furry.color, t.collar * weave, collar), blend(furry.plain, t.collar, collar)
    )


def stripes(points: Points) -> Scalars:
    """Share of the dark stripes of a tabby."""
    t, (x, y, z), ax = points.of("coat"), points.xyz, points.folded[0]
    bent = x + 0.012 * sin(y * 24 + t.phase)  # not quite the same on both sides
    crown = sin(abs(bent) * t.stripes + 0.8 * sin(y * 30 + t.phase) - z * 22) * ramp(y, 0.02, 0.10)
    flank = sin(y * 1.8 * t.stripes + ax * 30 + 0.7 * sin(x * 18 + t.phase)) * ramp(ax, 0.11, 0.16)
    chest = sin(y * 1.5 * t.stripes + 2 * sin(x * 14 + t.phase)) * ramp(-y, 0.2, 0.25)
    return ramp(maximum(crown, maximum(flank, chest)), 0.1, 0.6)


def patches(points: Points, offset: float) -> Scalars:
    """Slow random waves, within about -1..1."""
    t, (x, y, z) = points.of("coat"), points.xyz
    a = sin(x * 13 + t.seed_x + offset + 1.3 * sin(y * 9 + t.seed_y))
    b = sin(y * 11 - z * 8 + t.seed_y + 2 * offset + 1.1 * sin(x * 10 + t.seed_x))
    return a * b + 0.12 * sin(x * 47 + y * 39)


def mouth(points: Points) -> Scalars:
    """The line from nose to mouth, and the mouth."""
    t, (_, y, z), ax = points.of("coat"), points.xyz, points.folded[0]
    down = ramp(0.0045 - ax, 0, 0.003) * ramp(-y, 0.058, 0.066) * ramp(y, -0.112, -0.104)
    curve = y + 0.112 - t.smile * ((ax - 0.035) * 30) ** 2
    lips = ramp(0.0045 - abs(curve), 0, 0.003) * ramp(0.072 - ax, 0, 0.01)
    return maximum(down, lips) * ramp(z, 0.17, 0.20)


def roots(points: Points, texture: Texture) -> Scalars:
    """Rows of dark dots where whiskers grow."""
    (_, y, z), ax = points.xyz, points.folded[0]
    dots = texture.wave(ax * 330, 330) * texture.wave((y + 0.2 * ax) * 330, 330)
    inside = ramp(0.035 - sqrt((ax - 0.058) ** 2 + (y + 0.085) ** 2), 0, 0.01)
    return ramp(dots, 0.15, 0.5) * inside * ramp(z, 0.14, 0.17)


def hairs(points: Points, texture: Texture) -> Scalars:
    """Short hairs that grow away from the nose."""
    x, y, z = points.xyz
    radius = sqrt(x * x + (y + 0.05) ** 2) + 0.06
    around = atan2(x, y + 0.05) * HAIRS + 1.5 * sin(radius * 45 + z * 31)
    density = HAIRS / radius
    strokes = texture.wave(around + z * 70, density) * sin(radius * 95 + 2 * sin(around * 0.21))
    fine = texture.wave(1.5 * around - z * 150 + 2 * sin(radius * 70), 1.5 * density)
    finest = texture.wave(3.1 * around + z * 190 + 2 * sin(radius * 110), 3.1 * density)
    clumps = texture.grain(x, y, z, 70)
    return (0.12 * strokes + 0.22 * fine + 0.22 * finest) * (1 + 0.6 * clumps) + 0.06 * clumps


def eyes_albedo(points: Points, texture: Texture) -> Albedo:
    """Iris, slit pupil, the shadow of the lid and a painted catchlight."""
    t, (across, up, tilted) = points.of("eye_paint"), eyes.on_eyes(points)
    dx, dy = across * t.scale - t.gaze_x, up * t.scale - t.gaze_y
    radius = sqrt(dx * dx + dy * dy)
    iris = (0.75 + 0.5 * ramp(radius, 0.1, 0.86)) * (1 - 0.55 * ramp(radius, 0.74, 0.86))
    plain = blend(fill(up, t.white), t.iris * iris, ramp(-radius, -0.88, -0.84))
    slit = sqrt((dx * t.slit) ** 2 + (0.62 * dy) ** 2)
    plain = blend(plain, t.pupil, ramp(-slit, -0.45, -0.39))
    plain = plain * (1 - 0.5 * ramp(tilted * t.scale - t.shade, -0.25, 0))
    glint = sqrt((across - 0.014) ** 2 + (up - 0.016) ** 2)  # on the same side of both eyes
    plain = blend(plain, t.glint, 0.9 * ramp(-glint, -0.0105, -0.0065))
    return Albedo.textured(plain, 0.15 * texture.wave(22 * atan2(dy, dx), 22 * t.scale / 0.6))


def nose_albedo(points: Points, texture: Texture) -> Albedo:
    """Leather with fine grain."""
    x, y, z = points.xyz
    return Albedo.textured(
        fill(x, points.of("flat_paint").nose), 0.12 * texture.grain(x, y, z, 400)
    )


def bell_albedo(points: Points, texture: Texture) -> Albedo:
    """Brass with a slit."""
    color = fill(points.x, points.of("flat_paint").bell)
    color = color * (1 - 0.7 * ramp(0.004 - abs(points.y + 0.242), 0, 0.003))
    return Albedo(color, color)
