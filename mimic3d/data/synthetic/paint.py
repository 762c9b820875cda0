"""Colour of every point of a head's surface, before light falls on it.

Textures lose the waves that a pixel cannot show (`Texture`), so an image at 64 pixels is close to a
reduced image at 128, and lacks its detail.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from mimic3d.data.synthetic import anatomy
from mimic3d.data.synthetic.head import Material
from mimic3d.data.synthetic.identity import Color, Identity
from mimic3d.data.synthetic.primitives import Axis, length, ramp
from mimic3d.data.synthetic.wear import strand_phase

Colors = Float32[np.ndarray, "m 3"]

EYE_WHITE = (0.93, 0.92, 0.90)
LASHES = (0.10, 0.06, 0.05)
PEARL = (0.95, 0.90, 0.78)


@dataclass(frozen=True)
class Texture:
    """Waves as a pixel of a given size (head units) shows them."""

    pixel: float

    def wave(self, phase: Axis, frequency: float) -> Axis:
        """sin(phase), damped as its frequency (rad per head unit) nears that of the pixels."""
        return np.sin(phase) * self.contrast(frequency)

    def contrast(self, frequency: float) -> float:
        """What a pixel leaves of a wave: its Gaussian footprint has sigma of 0.4 pixels."""
        return math.exp(-0.5 * (0.4 * frequency * self.pixel) ** 2)

    def grain(self, x: Axis, y: Axis, z: Axis, frequency: float) -> Axis:
        """Irregular spots, within about -1..1."""
        a = np.sin(x * frequency + 2.1 * np.sin(y * (0.61 * frequency) + 1.3))
        b = np.sin(y * (1.13 * frequency) + 1.9 * np.sin(z * (0.57 * frequency) + 0.4))
        c = np.sin(z * (0.94 * frequency) + 1.7 * np.sin(x * (0.53 * frequency) + 2.2))
        return (a * b + b * c + c * a) * (0.6 * self.contrast(1.5 * frequency))


def albedo(
    identity: Identity, material: Int[np.ndarray, " m"], x: Axis, y: Axis, z: Axis, pixel: float
) -> Colors:
    """Colours of surface points; `pixel` is the size of a pixel at the head, in head units."""
    texture = Texture(pixel)
    painters = {
        Material.SKIN: paint_skin,
        Material.EYE: paint_eyes,
        Material.HAIR: paint_hair,
        Material.CLOTH: paint_clothes,
    }
    flat = {Material.GLASSES: identity.paint.frame, Material.EARRING: PEARL}
    colors = np.empty((len(x), 3), dtype=np.float32)
    for kind in Material:
        picked = np.flatnonzero(material == kind)
        if not len(picked):
            continue
        if kind in flat:
            colors[picked] = flat[kind]
        else:
            points = x[picked], y[picked], z[picked]
            colors[picked] = painters[kind](identity, *points, texture)
    return colors


def _fill(color: Color, num: int) -> Colors:
    return np.tile(np.asarray(color, dtype=np.float32), (num, 1))


def _blend(colors: Colors, color: Color, share: Axis) -> Colors:
    return colors + share[:, None] * (np.asarray(color, dtype=np.float32) - colors)


def paint_skin(identity: Identity, x: Axis, y: Axis, z: Axis, texture: Texture) -> Colors:
    """Grain, blush, freckles, beard, brows, lips, lashes and a mole."""
    s, p, ax = identity.shape, identity.paint, np.abs(x)
    grain = 0.035 * texture.grain(x, y, z, 140) + 0.075 * texture.grain(y, z, x, 270)
    colors = _fill(p.skin, len(x)) * (1 + grain)[:, None]
    cheeks = np.exp(((ax - 0.095) ** 2 + (y + 0.045) ** 2) * (-1 / 0.0022)) * ramp(z, 0.05, 0.12)
    tip = np.exp((x**2 + (y + 0.04) ** 2) * (-1 / 0.0006)) * ramp(z, 0.19, 0.22)
    colors *= 1 - (cheeks + 0.6 * tip)[:, None] * np.asarray([0, 0.10, 0.10], dtype=np.float32)
    if p.freckles:
        spots = ramp(texture.grain(x, y, z, 230), 0.35, 0.6) * ramp(z, 0.1, 0.15)
        near_nose = np.exp(-(((y + 0.02) * 14) ** 2)) * texture.contrast(230)
        colors *= 1 - (0.45 * p.freckles) * (spots * near_nose)[:, None]
    if identity.wear.beard:
        colors = _blend(colors, p.hair, _beard(identity, ax, y, z, texture))
    colors = _blend(colors, _darker(p.hair, 0.8), 0.85 * _brows(identity, ax, y, z, texture))
    inside, crease = anatomy.lips(s, ax, y, z)
    colors = _blend(colors, p.lips, np.clip(inside * 5 + 0.5, 0, 1) * (inside > -0.1))
    colors *= (1 - 0.55 * crease**2)[:, None]
    colors = _blend(colors, LASHES, 0.85 * _lashes(identity, ax, y, z))
    mole = length(x - p.mole[0], y - p.mole[1], np.zeros_like(z))
    return _blend(colors, _darker(p.skin, 0.3), ramp(-mole, -0.0085, -0.005) * (z > 0.05))


def _darker(color: Color, factor: float) -> Color:
    return color[0] * factor, color[1] * factor, color[2] * factor


def _beard(identity: Identity, ax: Axis, y: Axis, z: Axis, texture: Texture) -> Axis:
    mouth_y, mouth_width = identity.shape.mouth_y, identity.shape.mouth_width
    beside = np.clip(ax - 0.055, 0, 1)
    edge = 0.112 - 6.5 * beside**2 + 2 * np.clip(0.055 - ax, 0, 1)  # rises to the sideburns
    chin = ramp(-y - edge, -0.022, 0.022)
    off_lip = ((ax * (1 / (1.12 * mouth_width))) ** 2 + ((y - mouth_y - 0.028) * 50) ** 2) ** 0.5
    moustache = ramp(1 - off_lip, 0, 0.35) * ramp(z, 0.12, 0.15)
    share = np.maximum(chin, moustache) * ramp(y, -0.285, -0.245) * ramp(z, -0.05, 0.05)
    stubble = 0.85 + 0.15 * texture.grain(ax, y, z, 330)
    return np.clip(0.75 * identity.wear.beard * share * stubble, 0, 1)


def _brows(identity: Identity, ax: Axis, y: Axis, z: Axis, texture: Texture) -> Axis:
    s = identity.shape
    arc = s.brow_y + (10 * s.brow_slope) * (ax - 0.085) - 5.5 * (ax - 0.088) ** 2
    half = s.brow_thickness * (1.15 - 0.6 * ramp(ax, 0.05, 0.135))
    outside = np.maximum(np.abs(y - arc) - half, np.maximum(0.040 - ax, ax - 0.134))
    hairs = 1 + 0.25 * texture.wave(ax * 420 + y * 300, 500)
    return np.clip(ramp(-outside, -0.002, 0.003) * ramp(z, 0.08, 0.1) * hairs, 0, 1)


def _lashes(identity: Identity, ax: Axis, y: Axis, z: Axis) -> Axis:
    s = identity.shape
    upper, lower, height, distance = anatomy.lid_edges(s, ax, y, z)
    near = ramp(-distance, -(s.eye_radius + 0.0075), -(s.eye_radius + 0.0055)) * (z > anatomy.EYE_Z)
    above = ramp(-np.abs(upper), -0.0048, -0.0018) * (height > 0)
    below = 0.45 * ramp(-np.abs(lower), -0.003, -0.001) * (height <= 0)
    return near * np.maximum(above, below)


def paint_eyes(identity: Identity, x: Axis, y: Axis, z: Axis, texture: Texture) -> Colors:
    """White, iris, pupil, the shadow of the lid and a painted catchlight."""
    s, p = identity.shape, identity.paint
    dx, dy = (np.abs(x) - s.eye_x) / s.eye_radius, (y - s.eye_y) / s.eye_radius
    radius = np.sqrt(dx * dx + dy * dy)
    rays = texture.wave(12 * np.arctan2(dy, dx), 12 / (0.3 * s.eye_radius))
    colors = _fill(EYE_WHITE, len(x))
    iris = (0.8 + 0.6 * ramp(radius, 0.1, 0.46)) * (1 - 0.55 * ramp(radius, 0.38, 0.48))
    share = ramp(-radius, -0.50, -0.46)[:, None]
    colors += share * (_fill(p.iris, len(x)) * (iris * (1 + 0.15 * rays))[:, None] - colors)
    colors = _blend(colors, (0.02, 0.02, 0.02), ramp(-radius, -0.23, -0.17))
    edge = math.sin(s.eye_open)
    colors *= (1 - 0.5 * ramp(dy - s.eye_tilt * dx, edge - 0.22, edge))[:, None]
    across = x - np.sign(x) * s.eye_x  # the reflection sits on the same side of both eyes
    glint = length(across - 0.006, y - s.eye_y - 0.008, np.zeros_like(z))
    return _blend(colors, (1.0, 1.0, 1.0), 0.9 * ramp(-glint, -0.0065, -0.0035))


def paint_hair(identity: Identity, x: Axis, y: Axis, z: Axis, texture: Texture) -> Colors:
    """Locks, strands and single hairs, brighter where they catch the light."""
    w, p = identity.wear, identity.paint
    if w.style == "afro":
        tone = 0.18 * texture.grain(x, y, z, 150) + 0.25 * texture.grain(y, z, x, 270)
    else:
        phase, density = strand_phase(w, x, y, z), w.strands / 0.3
        tone = 0.12 * texture.wave(0.41 * phase + y * 11, 0.41 * density)
        tone += 0.16 * texture.wave(phase * 1.13 + y * 17, density)
        tone += 0.24 * texture.wave(phase * 2.3 - y * 9 + np.sin(phase * 0.31), 2.0 * density)
    return _fill(p.hair, len(x)) * (1 + tone)[:, None] + np.maximum(tone, 0)[:, None] * 0.08


def paint_clothes(identity: Identity, x: Axis, y: Axis, z: Axis, texture: Texture) -> Colors:
    """A pattern, a weave, and a badge on one side."""
    w, p = identity.wear, identity.paint
    f = w.pattern_frequency
    waves = [texture.wave(v * f + w.pattern_phase, f) for v in (x, y, z)]
    share = {
        "plain": np.zeros_like(x),
        "stripes": ramp(waves[1] + 0.6 * waves[2], -0.2, 0.2),
        "checks": 0.5 * ramp(waves[0], -0.3, 0.3) + 0.5 * ramp(waves[1] + waves[2], -0.3, 0.3),
        "dots": ramp(waves[0] * (waves[1] + waves[2]), 0.3, 0.5),
    }[w.pattern]
    colors = _blend(_fill(p.cloth, len(x)), p.cloth2, share)
    weave = texture.wave(x * 340, 340) * texture.wave((y - z) * 340, 340)
    colors *= (1 + 0.22 * weave + 0.05 * texture.grain(x, y, z, 160))[:, None]
    badge = length(x - 0.16, y + 0.40, np.zeros_like(z))
    return _blend(colors, PEARL, ramp(-badge, -0.03, -0.024) * (z > 0))
