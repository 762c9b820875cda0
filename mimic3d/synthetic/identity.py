"""Common part of all identities: side, light, and the draws and lists of their numbers.

Lengths are in head units: x to the subject's left, y up, z out of the face, the origin between the
ears; one head unit is `HEAD_SCALE` world units.
"""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

HEAD_SCALE = 0.9  # the whole hair and the collar are in view of the frontal camera

Triple = tuple[float, float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Light:
    """Light of one lamp, always from one side, and of the sky, and the colour of the walls."""

    direction: Triple
    """Direction to the lamp, unit length, in head axes."""
    ambient: float
    """Brightness of the sky; that of the lamp is 0.70."""
    warmth: float
    background: Triple


@dataclass(frozen=True)
class Identity:
    """A subject. Never left-right symmetric, so that a wrong sign of the yaw shows."""

    side: float
    """Side of the subject: 1, or -1 mirrored left to right, light included."""
    light: Light

    def mirrored(self) -> "Identity":
        """Mirror image of the subject."""
        return replace(self, side=-self.side)

    def factors(self) -> dict[str, float]:
        """Factors: all fields as named numbers; a choice has one factor per option, 0 or 1."""
        return dict(_flatten("", self))


@dataclass(frozen=True)
class CategoricalFactor:
    """Choice of one of several options."""

    chosen: str
    options: tuple[str, ...]

    def is_(self, *names: str) -> bool:
        """True if the choice is one of these."""
        return self.chosen in names


@dataclass(frozen=True)
class PoseBias:
    """Bias of smile and gaze to the camera, as in photos that people pose for."""

    share: float
    """Correlation with the camera, 0..1."""
    yaw_score: float
    """Yaw of the camera, in standard deviations."""

    def smile(self, own: float) -> float:
        """Score of the smile: people smile at cameras before them."""
        mean = math.sqrt(2 / math.pi)  # of |yaw_score|; its variance is 1 - mean^2
        frontal = (mean - abs(self.yaw_score)) / math.sqrt(1 - mean**2)
        return self._mix(frontal, own)

    def gaze(self, own: float) -> float:
        """Score of the gaze to the left: people look into the camera."""
        return self._mix(self.yaw_score, own)

    def _mix(self, camera: float, own: float) -> float:
        return self.share * camera + math.sqrt(1 - self.share**2) * own


NO_POSE_BIAS = PoseBias(0.0, 0.0)


def _flatten(prefix: str, value: object) -> list[tuple[str, float]]:
    if isinstance(value, CategoricalFactor):
        return [(f"{prefix}.{name}", float(name == value.chosen)) for name in value.options]
    if is_dataclass(value):
        pairs = []
        for field in fields(value):
            name = f"{prefix}.{field.name}" if prefix else field.name
            pairs += _flatten(name, getattr(value, field.name))
        return pairs
    if isinstance(value, tuple):
        return [(f"{prefix}.{index}", float(part)) for index, part in enumerate(value)]
    assert isinstance(value, (float, int))
    return [(prefix, float(value))]


def columns(items: Sequence[Any]) -> SimpleNamespace:
    """Numbers (n) and vectors (3 n) of n dataclasses, field by field; choices stay lists."""
    values: dict[str, Any] = {}
    for field in fields(items[0]):
        column = [getattr(item, field.name) for item in items]
        if isinstance(column[0], CategoricalFactor):
            values[field.name] = column
        elif is_dataclass(column[0]):
            values[field.name] = columns(column)
        else:
            values[field.name] = np.asarray(column, dtype=np.float64).T
    return SimpleNamespace(**values)


def flags(choices: Sequence[CategoricalFactor], *names: str) -> np.ndarray:
    """Flags: 1 for each choice that is one of the names, else 0."""
    return np.asarray([float(choice.is_(*names)) for choice in choices])


def sample_normal(rng: np.random.Generator, sigma: float) -> float:
    """A normal number, cut at two standard deviations."""
    return sigma * clip_score(float(rng.standard_normal()))


def clip_score(score: float) -> float:
    """A score within two standard deviations."""
    return min(max(score, -2.0), 2.0)


def sample_option(rng: np.random.Generator, options: dict[T, float]) -> T:
    """Option drawn by the probabilities of all."""
    return list(options)[rng.choice(len(options), p=list(options.values()))]


def sample_categorical(rng: np.random.Generator, options: dict[str, float]) -> CategoricalFactor:
    """Option drawn as by `sample_option`, as a choice that remembers its options."""
    return CategoricalFactor(sample_option(rng, options), tuple(options))


def sample_either_side(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between low and high, or between -high and -low."""
    return float(rng.choice([-1, 1])) * rng.uniform(low, high)


def clip_color(values: np.ndarray, low: float = 0.02, high: float = 0.97) -> Triple:
    """Three numbers moved into the range of colours."""
    r, g, b = np.clip(values, low, high).tolist()
    return r, g, b


def hsv(hue: float, saturation: float, value: float) -> Triple:
    """A colour by hue (any number, mod 1), saturation and value."""
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def sample_light(rng: np.random.Generator) -> Light:
    """A lamp from one side, before the subject and above it."""
    azimuth, elevation = sample_either_side(rng, 0.3, 1.0), rng.uniform(0.15, 0.8)
    return Light(
        direction=(
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
            math.cos(azimuth) * math.cos(elevation),
        ),
        ambient=rng.uniform(0.58, 0.74),
        warmth=rng.uniform(-0.06, 0.06),
        background=hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.35, 0.95)),
    )
