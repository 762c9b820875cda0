"""Waves and grain that fade as they become too fine for the pixels of an image.

So an image at 64 pixels is close to a reduced image at 128, and lacks its detail.
"""

from dataclasses import dataclass

from mimic3d.synthetic.arrays import Axis, Number, exp, sin

FOOTPRINT = 0.4  # sigma of a pixel's Gaussian footprint, pixels


@dataclass(frozen=True)
class Texture:
    """What pixels of a given size show of waves; one size for all points, or one each."""

    pixel: Axis
    """Size of a pixel on the surface, head units."""

    def wave(self, phase: Axis, frequency: Number) -> Axis:
        """sin(phase), damped as its frequency (rad per head unit) nears that of the pixels."""
        return sin(phase) * self.contrast(frequency)

    def contrast(self, frequency: Number) -> Axis:
        """What a pixel leaves of a wave."""
        damped = self.pixel * (FOOTPRINT * frequency)
        return exp(damped * damped * -0.5)

    def grain(self, x: Axis, y: Axis, z: Axis, frequency: float) -> Axis:
        """Irregular spots, within about -1..1."""
        u, v, w = 0.8 * x + 0.6 * y, 0.8 * y + 0.6 * z, 0.8 * z + 0.6 * x
        a = sin(u * frequency + 2.7 * sin(v * (0.61 * frequency) + 1.3))
        b = sin(v * (1.13 * frequency) + 2.4 * sin(w * (0.57 * frequency) + 0.4))
        c = sin(w * (0.94 * frequency) + 2.2 * sin(u * (0.53 * frequency) + 2.2))
        return (a * b + b * c + c * a) * (0.6 * self.contrast(1.5 * frequency))
