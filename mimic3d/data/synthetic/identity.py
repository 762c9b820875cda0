"""What tells one head from another: shape, colours and what it wears, drawn from a seed.

Lengths are in head units: x to the subject's left, y up, z out of the face, the origin between the
ears; one head unit is `HEAD_SCALE` world units.
"""

import colorsys
from dataclasses import astuple, dataclass, replace
from typing import TypeVar

import numpy as np

HEAD_SCALE = 0.9  # the whole hair and the collar are in view of the frontal camera

Color = tuple[float, float, float]
T = TypeVar("T")

SKIN_TONES = ((0.93, 0.76, 0.66), (0.78, 0.56, 0.42), (0.40, 0.26, 0.19))
HAIR_TONES = {
    (0.09, 0.07, 0.06): 0.28,
    (0.20, 0.11, 0.06): 0.27,
    (0.42, 0.25, 0.12): 0.17,
    (0.78, 0.60, 0.32): 0.14,
    (0.55, 0.18, 0.07): 0.07,
    (0.62, 0.60, 0.58): 0.07,
}
IRIS_TONES = {
    (0.25, 0.13, 0.06): 0.5,
    (0.22, 0.38, 0.58): 0.2,
    (0.25, 0.42, 0.22): 0.13,
    (0.40, 0.28, 0.12): 0.17,
}
STYLES = {"short": 0.36, "long": 0.25, "bob": 0.15, "bald": 0.07, "bun": 0.09, "afro": 0.08}
PATTERNS = {"plain": 0.2, "stripes": 0.35, "checks": 0.3, "dots": 0.15}


@dataclass(frozen=True)
class Shape:
    """Geometry of skull and face."""

    width: float
    jaw: float
    length: float
    cheek: float
    chin_y: float
    chin_z: float
    eye_x: float
    eye_y: float
    eye_radius: float
    eye_open: float
    eye_lower: float
    eye_tilt: float
    nose_length: float
    nose_width: float
    nose_z: float
    bridge: float
    mouth_y: float
    mouth_width: float
    lip: float
    smile: float
    brow: float
    brow_y: float
    brow_thickness: float
    brow_slope: float
    ear: float


@dataclass(frozen=True)
class Paint:
    """Colours and light."""

    skin: Color
    lips: Color
    hair: Color
    iris: Color
    cloth: Color
    cloth2: Color
    frame: Color
    background: Color
    light: Color
    """Direction towards the light, unit length, in head axes."""
    ambient: float
    warmth: float
    freckles: float
    mole: tuple[float, float]
    """Where on the face (x, y); always off the middle."""


@dataclass(frozen=True)
class Wear:
    """Hair, beard, glasses, clothes and jewellery."""

    style: str
    hairline: float
    part: float
    volume: float
    strands: float
    """Strands per radian."""
    beard: float
    glasses_radius: float
    """0 without glasses."""
    earring: float
    """Radius of the one earring, on the subject's left; 0 without."""
    pattern: str
    pattern_frequency: float
    pattern_phase: float


@dataclass(frozen=True)
class Identity:
    """A head. Never left-right symmetric, so a wrong sign of the yaw shows."""

    side: float
    """1, or -1 for the head mirrored left to right, light included."""
    shape: Shape
    paint: Paint
    wear: Wear

    def mirrored(self) -> "Identity":
        """The same head seen in a mirror."""
        return replace(self, side=-self.side)

    def factors(self) -> tuple[float, ...]:
        """All of it as numbers, in the order of the fields; choices count from 0."""
        choices = {name: float(i) for group in (STYLES, PATTERNS) for i, name in enumerate(group)}
        flat: list[float] = [self.side]
        for value in (*astuple(self.shape), *astuple(self.paint), *astuple(self.wear)):
            numbers = value if isinstance(value, tuple) else (value,)
            flat += [choices[n] if isinstance(n, str) else float(n) for n in numbers]
        return tuple(flat)


def sample_identity(rng: np.random.Generator) -> Identity:
    """A random head; mirror images are equally likely."""
    side = float(rng.choice([-1.0, 1.0]))
    shape = _sample_shape(rng)
    style = _choose(rng, STYLES)
    return Identity(side, shape, _sample_paint(rng), _sample_wear(rng, style))


def _spread(rng: np.random.Generator, sigma: float) -> float:
    return float(np.clip(rng.standard_normal(), -2, 2) * sigma)


def _choose(rng: np.random.Generator, options: dict[T, float]) -> T:
    return list(options)[rng.choice(len(options), p=list(options.values()))]


def _color(values: np.ndarray, low: float = 0.02, high: float = 0.97) -> Color:
    r, g, b = np.clip(values, low, high).tolist()
    return r, g, b


def _hsv(hue: float, saturation: float, value: float) -> Color:
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def _sample_shape(rng: np.random.Generator) -> Shape:
    return Shape(
        width=1 + _spread(rng, 0.045),
        jaw=1 + _spread(rng, 0.07),
        length=1 + _spread(rng, 0.035),
        cheek=_spread(rng, 0.008),
        chin_y=_spread(rng, 0.010),
        chin_z=_spread(rng, 0.010),
        eye_x=0.084 * (1 + _spread(rng, 0.035)),
        eye_y=0.055 + _spread(rng, 0.004),
        eye_radius=0.037 * (1 + _spread(rng, 0.05)),
        eye_open=0.56 + _spread(rng, 0.07),
        eye_lower=0.40 + _spread(rng, 0.05),
        eye_tilt=_spread(rng, 0.06),
        nose_length=_spread(rng, 0.010),
        nose_width=1 + _spread(rng, 0.16),
        nose_z=_spread(rng, 0.010),
        bridge=_spread(rng, 0.006),
        mouth_y=-0.134 + _spread(rng, 0.005),
        mouth_width=0.070 * (1 + _spread(rng, 0.10)),
        lip=1 + _spread(rng, 0.22),
        smile=0.008 + _spread(rng, 0.010),
        brow=_spread(rng, 0.006),
        brow_y=0.103 + _spread(rng, 0.005),
        brow_thickness=0.0085 * (1 + _spread(rng, 0.25)),
        brow_slope=_spread(rng, 0.008),
        ear=1 + _spread(rng, 0.12),
    )


def _sample_paint(rng: np.random.Generator) -> Paint:
    tone = rng.random() * (len(SKIN_TONES) - 1)
    first = min(int(tone), len(SKIN_TONES) - 2)
    blend = tone - first
    skin = np.asarray(SKIN_TONES[first]) * (1 - blend) + np.asarray(SKIN_TONES[first + 1]) * blend
    skin = skin * (1 + 0.04 * rng.standard_normal()) * (1 + 0.012 * rng.standard_normal(3))
    lips = skin * [0.88, 0.60, 0.62] + [0.05, 0, 0.02] + 0.02 * rng.standard_normal(3)
    hair = np.asarray(_choose(rng, HAIR_TONES)) * (1 + 0.15 * rng.standard_normal())
    cloth_hue = rng.random()
    azimuth = rng.choice([-1, 1]) * rng.uniform(0.3, 1.0)  # light from one side
    elevation = rng.uniform(0.15, 0.8)
    return Paint(
        skin=_color(skin, 0.1),
        lips=_color(lips),
        hair=_color(hair + 0.015 * rng.standard_normal(3)),
        iris=_color(np.asarray(_choose(rng, IRIS_TONES))),
        cloth=_hsv(cloth_hue, rng.uniform(0.2, 0.85), rng.uniform(0.3, 0.9)),
        cloth2=_hsv(cloth_hue + rng.uniform(0.2, 0.8), rng.uniform(0, 0.6), rng.uniform(0.2, 1)),
        frame=_hsv(rng.random(), 0.5 * rng.random(), 0.08 + 0.4 * rng.random()),
        background=_hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.35, 0.95)),
        light=(
            float(np.sin(azimuth) * np.cos(elevation)),
            float(np.sin(elevation)),
            float(np.cos(azimuth) * np.cos(elevation)),
        ),
        ambient=rng.uniform(0.58, 0.74),
        warmth=rng.uniform(-0.06, 0.06),
        freckles=float(rng.random() < 0.25) * rng.uniform(0.3, 1),
        mole=(float(rng.choice([-1, 1]) * rng.uniform(0.04, 0.11)), rng.uniform(-0.17, -0.02)),
    )


def _sample_wear(rng: np.random.Generator, style: str) -> Wear:
    bearded = rng.random() < 0.22 and style in ("short", "bald", "afro")
    return Wear(
        style=style,
        hairline=_spread(rng, 0.018),
        part=float(rng.choice([-1, 1]) * rng.uniform(0.02, 0.075)),
        volume=1 + abs(_spread(rng, 0.05)),
        strands=rng.uniform(45, 80),
        beard=float(bearded) * rng.uniform(0.4, 1),
        glasses_radius=float(rng.random() < 0.18) * rng.uniform(0.043, 0.052),
        earring=float(rng.random() < 0.5) * rng.uniform(0.012, 0.017),
        pattern=_choose(rng, PATTERNS),
        pattern_frequency=rng.uniform(70, 150),
        pattern_phase=rng.uniform(0, 6.28),
    )
