"""Albedo of surface points: colours before light falls on them, and the textures in them.

Textures are waves and grain that fade as they become too fine for the pixels of an image, so an
image at 64 pixels is close to a reduced image at 128, and lacks its detail.
"""

from dataclasses import dataclass

from mimic3d.synthetic.arrays import BroadcastVector, Number, Scalars, Vectors, exp, maximum, sin

DARKEST = 0.12  # texture changes darker colours as much as this one, or black hair would be flat
FOOTPRINT = 0.4  # sigma of a pixel's Gaussian footprint, pixels


@dataclass(frozen=True)
class Albedo:
    """Colours before light falls on them."""

    color: Vectors
    plain: Vectors
    """Colours without texture: where these change from pixel to pixel, more samples are needed."""

    @staticmethod
    def textured(plain: Vectors, tone: Scalars) -> "Albedo":
        """A colour made brighter and darker by a relative amount."""
        return Albedo(plain + tone * maximum(plain, DARKEST), plain)


def fill(like: Scalars, color: BroadcastVector) -> Vectors:
    """A colour at every point."""
    return like * 0 + color


def blend(colors: Vectors, color: BroadcastVector, share: Scalars) -> Vectors:
    """Colours with a share of another one painted over."""
    return colors + share * (color - colors)


@dataclass(frozen=True)
class Texture:
    """Waves as pixels of a given size show them; one size for all points, or one each."""

    pixel: Scalars
    """Size of a pixel on the surface, head units."""

    def wave(self, phase: Scalars, frequency: Number) -> Scalars:
        """sin(phase), damped as its frequency (rad per head unit) nears that of the pixels."""
        return sin(phase) * self.contrast(frequency)

    def contrast(self, frequency: Number) -> Scalars:
        """Share of a wave's contrast that a pixel leaves."""
        damped = self.pixel * (FOOTPRINT * frequency)
        return exp(damped * damped * -0.5)

    def grain(self, x: Scalars, y: Scalars, z: Scalars, frequency: float) -> Scalars:
        """Irregular spots, within about -1..1."""
        u, v, w = 0.8 * x + 0.6 * y, 0.8 * y + 0.6 * z, 0.8 * z + 0.6 * x
        a = sin(u * frequency + 2.7 * sin(v * (0.61 * frequency) + 1.3))
        b = sin(v * (1.13 * frequency) + 2.4 * sin(w * (0.57 * frequency) + 0.4))
        c = sin(w * (0.94 * frequency) + 2.2 * sin(u * (0.53 * frequency) + 2.2))
        return (a * b + b * c + c * a) * (0.6 * self.contrast(1.5 * frequency))
