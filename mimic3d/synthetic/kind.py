"""Kinds of procedural subjects: drawn from a seed, with a signed distance, an albedo, landmarks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mimic3d.synthetic.albedo import Albedo, Texture
from mimic3d.synthetic.arrays import Scalars
from mimic3d.synthetic.identity import Identity, PoseBias, Triple
from mimic3d.synthetic.points import ParameterGroup, Points


@dataclass(frozen=True)
class ApproximateLandmark:
    """A point near a landmark, head units; the landmark is the nearest point of the surface."""

    left: str
    """Name of the point; of the one on the subject's left where there are two."""
    right: str
    """Name of its mirror image; the same for a point in the middle."""
    position: Triple


@dataclass(frozen=True)
class SubjectKind:
    """A family of procedural subjects, made of numbered materials."""

    sample: Callable[[np.random.Generator, PoseBias], Identity]
    """Random subject, drawn by a generator."""
    tabulate: Callable[[Sequence[Any]], dict[str, ParameterGroup]]
    """Numbers that its formulas need; the bodies of the group `hull` together contain it."""
    parts: Callable[[Points], Mapping[int, Scalars]]
    """Signed distance to each material, head units."""
    albedos: Mapping[int, Callable[[Points, Texture], Albedo]]
    """Colour of each material before light falls on it."""
    landmarks: Callable[[Any], list[ApproximateLandmark]]
    """Landmarks of a subject."""
    landmark_materials: tuple[int, ...]
    """Materials that landmarks lie on."""
