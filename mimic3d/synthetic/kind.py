"""What a kind of subject answers: how it is drawn from a seed, where its surface is, its colour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mimic3d.synthetic.arrays import Axis
from mimic3d.synthetic.identity import Identity, Mood, Triple
from mimic3d.synthetic.points import Group, Points
from mimic3d.synthetic.surface import Surface
from mimic3d.synthetic.texture import Texture


@dataclass(frozen=True)
class Anchor:
    """About where a landmark lies, head units; the surface near it is where it lies."""

    left: str
    """Name of the point; of the one on the subject's left where there are two."""
    right: str
    """Name of its mirror image; the same for a point in the middle."""
    position: Triple


@dataclass(frozen=True)
class Kind:
    """A family of procedural subjects. Materials are numbered; each has a part and a painter."""

    sample: Callable[[np.random.Generator, Mood], Identity]
    """A random one."""
    tabulate: Callable[[Sequence[Any]], dict[str, Group]]
    """The numbers that its formulas need; the bodies of the group `hull` together contain it."""
    parts: Callable[[Points], Mapping[int, Axis]]
    """Signed distance to each material, head units."""
    painters: Mapping[int, Callable[[Points, Texture], Surface]]
    """Colour of each material."""
    anchors: Callable[[Any], list[Anchor]]
    """Its landmarks."""
    bare: tuple[int, ...]
    """Materials that landmarks lie on."""
