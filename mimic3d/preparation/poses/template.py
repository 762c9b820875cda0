"""Template of named landmarks in 3-D, against which poses are measured. Without torch."""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int
from pydantic import ValidationError, model_validator

from mimic3d.config import Config
from mimic3d.content_hash import text_hash
from mimic3d.preparation.poses.lookat import Orbit, Point

MIN_POINTS = 4  # three fit exactly whatever they are
UNITS = {"world": 1.0, "m": 2.7, "cm": 0.027, "mm": 0.0027}  # a world unit is 37 cm (EG3D)


class TemplateConfig(Config):
    """A template as it stands in a YAML file."""

    points: dict[str, Point]
    """Landmarks by name: x (to the subject's left), y (up), z (out of the face), in `units`; the
    origin is the world's, which is the middle of the tri-planes' box."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Landmarks that mirror each other, the subject's left one first; others are in the middle."""
    pivot: Point = (0.0, 0.0, 0.2)
    """Point the cameras look at, the middle of every crop, world units."""
    units: Literal["world", "m", "cm", "mm"] = "world"
    """Unit of `points`; a world unit is 37 cm (EG3D)."""

    @model_validator(mode="after")
    def _consistent(self) -> "TemplateConfig":
        if len(self.points) < MIN_POINTS:
            raise ValueError(f"points must be at least {MIN_POINTS}, are {len(self.points)}")
        check_pairs(self.pairs, self.points)
        return self


def check_pairs(pairs: tuple[tuple[str, str], ...], names: Collection[str]) -> None:
    """Raises ValueError unless all pairs are of known points, none of which is in two of them."""
    paired = [name for pair in pairs for name in pair]
    for name in paired:
        if name not in names:
            raise ValueError(
                f"pairs must be of points, {name} is none; they are {', '.join(names)}"
            )
        if paired.count(name) > 1:
            raise ValueError(f"pairs must not share points, {name} is there twice; remove one")


@dataclass(frozen=True)
class Template:
    """Named points in the world, and which of them are mirror images."""

    names: tuple[str, ...]
    points: Float64[np.ndarray, "m 3"]
    """Positions, world units."""
    pairs: tuple[tuple[str, str], ...]
    """Pairs, the subject's left point first; points in no pair are in the middle."""
    orbit: Orbit
    """The cameras that the template is fitted with."""

    @property
    def twins(self) -> Int[np.ndarray, " m"]:
        """Index of each point's mirror image; its own in the middle."""
        return twins_of(self.names, self.pairs)

    def symmetric(self) -> "Template":
        """The template whose pairs are exact mirror images, the others exactly in the middle."""
        mirrored = self.points[self.twins] * [-1, 1, 1]
        return replace(self, points=(self.points + mirrored) / 2)

    def describe(self) -> dict[str, object]:
        """The contents of a `TemplateConfig`."""
        points = dict(zip(self.names, self.points.tolist(), strict=True))
        pairs = [list(pair) for pair in self.pairs]
        return {"points": points, "pairs": pairs, "pivot": list(self.orbit.pivot), "units": "world"}

    def content_hash(self) -> str:
        """SHA-256 of the contents."""
        return text_hash(json.dumps(self.describe()))


def twins_of(names: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> Int[np.ndarray, " m"]:
    """Index of each name's partner; its own without one."""
    partner = dict(pairs) | {right: left for left, right in pairs}
    return np.array([names.index(partner.get(name, name)) for name in names])


def read_template(contents: object, key: str) -> Template:
    """The template that the contents of a YAML file describe; `key` is what errors call them.

    Raises:
        ValueError: They are none.
    """
    try:
        cfg = TemplateConfig.model_validate(contents)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        rule = first["msg"].removeprefix("Value error, ").removeprefix("Input should ")
        value = "" if first["type"] == "value_error" else f", is {first['input']!r}"
        raise ValueError(
            f"{key}{': ' + where if where else ''}: {rule}{value}; a template has points "
            f"(name: [x, y, z]) and may have pairs, pivot and units"
        ) from None
    points = np.array(list(cfg.points.values())) * UNITS[cfg.units]
    return Template(tuple(cfg.points), points, cfg.pairs, Orbit(pivot=cfg.pivot))
