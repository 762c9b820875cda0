"""What was done to cameras of a foreign frame; part of the manifest."""

from pydantic import Field, PositiveFloat

from mimic3d.config import Config

Point = tuple[float, float, float]


class Normalization(Config):
    """The similarity x -> scale * rotation (x - pivot), and the scene it suggests."""

    pivot: Point
    """Where the optical axes meet, in the foreign frame: our origin."""
    rotation: tuple[float, ...] = Field(min_length=9, max_length=9)
    """Row by row."""
    scale: PositiveFloat
    """World units per foreign unit."""
    radius_q05: PositiveFloat
    """Distance of the cameras from the origin, 5 % quantile, world units."""
    radius_q95: PositiveFloat
    """The same, 95 % quantile."""
    axes_miss: float
    """Root mean square distance of the optical axes from the origin, world units."""
    near: PositiveFloat
    """Recommended: radius_q05 less half the diagonal of the box."""
    far: PositiveFloat
    """Recommended: radius_q95 and half the diagonal of the box."""
    box_warp: PositiveFloat
    """Recommended: 1.6 times the width of the view at the origin, as in EG3D's scenes."""
