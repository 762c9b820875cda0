"""Which procedural subjects a dataset shows: enough to photograph them again, and others."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt

from mimic3d.config import Config


class Subjects(Config):
    """The subjects of a synthetic dataset, and how they were photographed."""

    kind: Literal["heads", "cats"]
    """What they are."""
    seed: NonNegativeInt
    """First number of their keys; see `Shot.key`."""
    background: Literal["room", "constant"]
    """Behind them, as in `SyntheticConfig`."""
    specular: NonNegativeFloat
    """Strength of highlights."""
