"""Colour of every point of a head's surface, before light falls on it."""

from types import SimpleNamespace

from mimic3d.synthetic import eyes
from mimic3d.synthetic.albedo import Albedo, Texture, blend, fill
from mimic3d.synthetic.arrays import (
    Scalars,
    any_flagged,
    atan2,
    exp,
    maximum,
    select,
    sin,
    sqrt,
)
from mimic3d.synthetic.heads import skin
from mimic3d.synthetic.heads.hair import BEHIND, strand_phase
from mimic3d.synthetic.identity import flags
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import ramp, vector

PEARL = vector(0.95, 0.90, 0.78)


def tabulate(
    s: SimpleNamespace, p: SimpleNamespace, w: SimpleNamespace
) -> dict[str, ParameterGroup]:
    """Colours of n heads and their places, from shapes, paint and wear."""
    return {
        "skin_paint": {
            "color": p.skin,
            "blush": vector(0, 0.10, 0.10),
            "freckles": p.freckles,
            "beard": w.beard,
            "beard_color": p.hair,
            "mouth_y": s.mouth_y,
            "moustache": 1 / (1.12 * s.mouth_width),
            "brow_color": 0.8 * p.hair,
            "brow_y": s.brow_y,
            "brow_slope": s.brow_slope,
            "brow_raise": s.brow_raise,
            "brow_thickness": s.brow_thickness,
            "lips": p.lips,
            "lashes": vector(0.10, 0.06, 0.05),
            "mole": 0.3 * p.skin,
            "mole_x": p.mole_x,
            "mole_y": p.mole_y,
        },
        "eye_paint": {
            "white": vector(0.93, 0.92, 0.90),
            "iris": p.iris,
            "pupil": vector(0.02, 0.02, 0.02),
            "glint": vector(1, 1, 1),
            "scale": 1 / s.eye_radius,
            "gaze_x": s.gaze_x,
            "gaze_y": s.gaze_y,
            "shade": sin(s.eye_open),
        },
        "hair_paint": {"color": p.hair, "density": w.strands / BEHIND},
        "cloth_paint": {
            "color": p.cloth,
            "other": p.cloth2,
            "badge": PEARL,
            "stripes": flags(w.pattern, "stripes"),
            "checks": flags(w.pattern, "checks"),
            "dots": flags(w.pattern, "dots"),
            "frequency": w.pattern_frequency,
            "phase": w.pattern_phase,
        },
        "flat_paint": {"frame": p.frame, "pearl": PEARL},
    }


def skin_albedo(points: Points, texture: Texture) -> Albedo:
    """Grain, blush, freckles, beard, brows, lips, lashes and a mole."""
    t, (x, y, z), ax = points.of("skin_paint"), points.xyz, points.folded[0]
    tone = 0.035 * texture.grain(x, y, z, 140) + 0.08 * texture.grain(y, z, x, 270)
    tone = tone + 0.08 * texture.grain(z, x, y, 520)
    plain = fill(x, t.color)
    cheeks = exp(((ax - 0.095) ** 2 + (y + 0.045) ** 2) * (-1 / 0.0022)) * ramp(z, 0.05, 0.12)
    tip = exp((x * x + (y + 0.04) ** 2) * (-1 / 0.0006)) * ramp(z, 0.19, 0.22)
    plain = plain * (1 - (cheeks + 0.6 * tip) * t.blush)
    if any_flagged(t.freckles):
        spots = ramp(texture.grain(x, y, z, 330), 0.3, 0.6) * ramp(z, 0.08, 0.15)
        near_nose = exp(((y + 0.015) * 13) ** 2 * -1)
        tone = tone - (0.4 * t.freckles) * (spots * near_nose)
    if any_flagged(t.beard):
        share = beard(points)
        plain = blend(plain, t.beard_color, 0.75 * t.beard * share)
        tone = tone + 0.3 * t.beard * share * texture.grain(ax, y, z, 330)
    hairs = brows(points)
    plain = blend(plain, t.brow_color, 0.85 * hairs)
    tone = tone + 0.35 * hairs * texture.wave(ax * 420 + y * 300, 500)
    inside, crease = skin.lips(points)
    plain = blend(plain, t.lips, (inside * 5 + 0.5).clip(0, 1) * (inside > -0.1))
    plain = plain * (1 - 0.55 * crease * crease)
    plain = blend(plain, t.lashes, 0.85 * lashes(points))
    away = sqrt((x - t.mole_x) ** 2 + (y - t.mole_y) ** 2)
    return Albedo.textured(blend(plain, t.mole, ramp(-away, -0.0085, -0.005) * (z > 0.05)), tone)


def beard(points: Points) -> Scalars:
    """Share of the skin under a full beard."""
    t, (_, y, z), ax = points.of("skin_paint"), points.xyz, points.folded[0]
    beside = (ax - 0.055).clip(0, 1)
    edge = 0.112 - 6.5 * beside * beside + 2 * (0.055 - ax).clip(0, 1)  # rises to the sideburns
    chin = ramp(-y - edge, -0.022, 0.022)
    off_lip = sqrt((ax * t.moustache) ** 2 + ((y - t.mouth_y - 0.028) * 50) ** 2)
    moustache = ramp(1 - off_lip, 0, 0.35) * ramp(z, 0.12, 0.15)
    return maximum(chin, moustache) * ramp(y, -0.285, -0.245) * ramp(z, -0.05, 0.05)


def brows(points: Points) -> Scalars:
    """Share of the skin under the eyebrows, one of which is raised."""
    t, (x, y, z), ax = points.of("skin_paint"), points.xyz, points.folded[0]
    raised = t.brow_raise * (x * 20).clip(-1, 1)
    arc = t.brow_y + raised + (10 * t.brow_slope) * (ax - 0.085) - 5.5 * (ax - 0.088) ** 2
    half = t.brow_thickness * (1.15 - 0.6 * ramp(ax, 0.05, 0.135))
    outside = maximum(abs(y - arc) - half, maximum(0.040 - ax, ax - 0.134))
    return ramp(-outside, -0.002, 0.003) * ramp(z, 0.08, 0.1)


def lashes(points: Points) -> Scalars:
    """Share of the lids under the lashes."""
    upper, lower, height, distance = eyes.lid_edges(points)
    radius = points.of("eyes").ball.radius
    near = ramp(radius - distance, -0.0075, -0.0055) * (points.z > eyes.DEPTH)
    above = ramp(-abs(upper), -0.0048, -0.0018) * (height > 0)
    below = 0.45 * ramp(-abs(lower), -0.003, -0.001) * (height <= 0)
    return near * maximum(above, below)


def eyes_albedo(points: Points, texture: Texture) -> Albedo:
    """White, iris, pupil, the shadow of the lid and a painted catchlight."""
    t, (across, up, tilted) = points.of("eye_paint"), eyes.on_eyes(points)
    dx, dy = across * t.scale - t.gaze_x, up * t.scale - t.gaze_y
    radius = sqrt(dx * dx + dy * dy)
    iris = (0.8 + 0.6 * ramp(radius, 0.1, 0.46)) * (1 - 0.55 * ramp(radius, 0.38, 0.48))
    disc = ramp(-radius, -0.50, -0.46)
    plain = fill(up, t.white)
    plain = blend(plain, t.iris * iris, disc)
    plain = blend(plain, t.pupil, ramp(-radius, -0.23, -0.17))
    plain = plain * (1 - 0.5 * ramp(tilted * t.scale - t.shade, -0.22, 0))
    glint = sqrt((across - 0.006) ** 2 + (up - 0.008) ** 2)  # on the same side of both eyes
    plain = blend(plain, t.glint, 0.9 * ramp(-glint, -0.0065, -0.0035))
    rays = texture.wave(12 * atan2(dy, dx), 12 * t.scale / 0.3)
    return Albedo.textured(plain, 0.15 * disc * rays)


def hair_albedo(points: Points, texture: Texture) -> Albedo:
    """Curls, or locks, strands and single hairs."""
    tone = select(points.of("hair").curly, curls, strands, points, texture)
    return Albedo.textured(fill(points.x, points.of("hair_paint").color), tone)


def curls(points: Points, texture: Texture) -> Scalars:
    """Tone of curly hair."""
    x, y, z = points.xyz
    tone = 0.18 * texture.grain(x, y, z, 150) + 0.36 * texture.grain(y, z, x, 270)
    return tone + 0.30 * texture.grain(z, x, y, 520)


def strands(points: Points, texture: Texture) -> Scalars:
    """Tone of other hair."""
    density, phase, y = points.of("hair_paint").density, strand_phase(points), points.y
    tone = 0.12 * texture.wave(0.41 * phase + y * 11, 0.41 * density)
    tone = tone + 0.16 * texture.wave(phase * 1.13 + y * 17, density)
    tone = tone + 0.40 * texture.wave(phase * 1.9 - y * 9 + sin(phase * 0.31), 1.9 * density)
    return tone + 0.30 * texture.wave(phase * 4.1 + y * 31 + sin(phase * 0.53), 4.1 * density)


def clothes_albedo(points: Points, texture: Texture) -> Albedo:
    """A pattern, a weave, and a badge on one side."""
    t, (x, y, z) = points.of("cloth_paint"), points.xyz
    f = t.frequency
    a, b, c = (texture.wave(v * f + t.phase, f) for v in (x, y, z))
    share = t.stripes * ramp(b + 0.6 * c, -0.2, 0.2)
    share = share + t.checks * (0.5 * ramp(a, -0.3, 0.3) + 0.5 * ramp(b + c, -0.3, 0.3))
    share = share + t.dots * ramp(a * (b + c), 0.3, 0.5)
    plain = fill(x, t.color)
    weave = texture.wave(x * 340, 340) * texture.wave((y - z) * 340, 340)
    threads = texture.wave(x * 680 + y * 90, 680) * texture.wave((y - z) * 690, 690)
    tone = 0.40 * weave + 0.25 * threads + 0.05 * texture.grain(x, y, z, 160)
    away = sqrt((x - 0.16) ** 2 + (y + 0.40) ** 2)
    badge = ramp(-away, -0.03, -0.024) * (z > 0)
    woven = Albedo.textured(blend(plain, t.other, share), tone).color
    return Albedo(blend(woven, t.badge, badge), blend(plain, t.badge, badge))


def glasses_albedo(points: Points, texture: Texture) -> Albedo:
    """Plain frames."""
    color = fill(points.x, points.of("flat_paint").frame)
    return Albedo(color, color)


def earring_albedo(points: Points, texture: Texture) -> Albedo:
    """A plain pearl."""
    color = fill(points.x, points.of("flat_paint").pearl)
    return Albedo(color, color)
