"""Colours of surface points, and what to mix them from."""

from dataclasses import dataclass

from mimic3d.synthetic.arrays import Axes, Axis, Vector, maximum

DARKEST = 0.12  # texture changes darker colours as much as this one, or black hair would be flat


@dataclass(frozen=True)
class Surface:
    """Colours before light falls on them."""

    color: Axes
    plain: Axes
    """Without texture: where this changes from pixel to pixel, more samples are needed."""

    @staticmethod
    def textured(plain: Axes, tone: Axis) -> "Surface":
        """A colour made brighter and darker by a relative amount."""
        return Surface(plain + tone * maximum(plain, DARKEST), plain)


def fill(like: Axis, color: Vector) -> Axes:
    """A colour at every point."""
    return like * 0 + color


def blend(colors: Axes, color: Vector, share: Axis) -> Axes:
    """Colours with a share of another one painted over."""
    return colors + share * (color - colors)
