"""Square windows of a picture, of any size and turn, for networks to look at. Without torch.

A window is p = a q + b, as a crop is (`lookat`): a its side in pixels and its turn, b its middle.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True)
class Window:
    """A square of a picture."""

    scale: complex
    """The side in pixels of the picture, and its turn as the angle."""
    middle: complex

    def inner(self, scale: complex, middle: complex) -> "Window":
        """A window given in shares of this one, from its middle."""
        return Window(self.scale * scale, self.scale * middle + self.middle)


class ImagePyramid:
    """A picture with its reductions, so that cutting small windows does not alias."""

    def __init__(self, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
        self.height, self.width = pixels.shape[:2]
        self.middle = complex(self.width, self.height) / 2
        self._levels = [pixels]

    def cut(self, window: Window, size: int) -> UInt8[np.ndarray, "s s 3"]:
        """The window as a picture of `size` pixels, black where it is outside."""
        import cv2

        step = window.scale / size
        level = self._level(abs(step))
        first = window.middle - (window.scale - step) * (0.5 + 0.5j)  # middle of the first pixel
        matrix = np.array([[step.real, -step.imag, first.real], [step.imag, step.real, first.imag]])
        matrix *= [[level.shape[1] / self.width], [level.shape[0] / self.height]]
        matrix[:, 2] -= 0.5  # OpenCV counts from the middle of the first pixel
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(level, matrix, (size, size), flags=flags)

    def _level(self, reduction: float) -> UInt8[np.ndarray, "h w 3"]:
        """The picture halved by area, as often as leaves something to reduce."""
        import cv2

        index = int(np.log2(max(reduction, 1)))
        while len(self._levels) <= index:
            last = self._levels[-1]
            half = max(1, last.shape[1] // 2), max(1, last.shape[0] // 2)
            self._levels.append(cv2.resize(last, half, interpolation=cv2.INTER_AREA))
        return self._levels[index]
