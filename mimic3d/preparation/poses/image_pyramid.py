"""Square windows of a picture, of any size and turn, for networks to read. Without torch.

A window is p = a q + b, as a crop is (`lookat`): a its side in pixels and its turn, b its middle.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import UInt8
from PIL import Image

BASE = 3  # level by way of which smaller ones are made
HALVES_PX = 64  # longer side at which the halves of a picture are compared
ROOM = 2  # pixels around a window that linear interpolation may read


@dataclass(frozen=True)
class Window:
    """A square of a picture."""

    scale: complex
    """The side in pixels of the picture, and its turn as the angle."""
    middle: complex

    def inner(self, scale: complex, middle: complex) -> "Window":
        """A window given in shares of this one, from its middle."""
        return Window(self.scale * scale, self.scale * middle + self.middle)

    def mirrored(self, width: int) -> "Window":
        """Window at this place in the mirror image of a picture of this width, and back."""
        return Window(self.scale.conjugate(), width - self.middle.conjugate())


class ImagePyramid:
    """A picture with its reductions, so that cutting small windows does not alias.

    Of a large picture only the parts that are asked for become arrays.
    """

    def __init__(self, image: Image.Image) -> None:
        self.width, self.height = image.size
        self.middle = complex(self.width, self.height) / 2
        self._image = image
        self._levels = {0: image}

    @cached_property
    def is_searched_mirrored(self) -> bool:
        """True if the left half is the darker one: a picture and its mirror image differ in it."""
        columns = self.resized(HALVES_PX).astype(np.float64).sum(axis=(0, 2))
        half = len(columns) // 2
        return bool(columns[:half].sum() < columns[len(columns) - half :].sum())

    def cut(
        self, window: Window, size: int, is_mirrored: bool = False
    ) -> UInt8[np.ndarray, "s s 3"]:
        """The window as a picture of `size` pixels, black where it is outside.

        With `is_mirrored` it is a window of the mirror image.
        """
        import cv2

        step = window.scale / size
        number = int(np.log2(max(abs(step), 1)))
        factor = 2**number
        place = window.mirrored(self.width) if is_mirrored else window
        low, high = _bounds(place, factor, (-(-self.width // factor), -(-self.height // factor)))
        if (high <= low).any():
            return np.zeros((size, size, 3), np.uint8)
        part = self._part(number, (*low.tolist(), *high.tolist()))
        origin = complex(*low) * factor
        if is_mirrored:
            part = np.ascontiguousarray(part[:, ::-1])
            origin = complex(self.width - factor * high[0], factor * low[1])
        first = window.middle - (window.scale - step) * (0.5 + 0.5j)  # middle of the first pixel
        first, step = (first - origin) / factor, step / factor
        matrix = np.array([[step.real, -step.imag, first.real], [step.imag, step.real, first.imag]])
        matrix[:, 2] -= 0.5  # OpenCV counts from the middle of the first pixel
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(part, matrix, (size, size), flags=flags)

    def resized(self, longer_side: float) -> UInt8[np.ndarray, "h w 3"]:
        """The whole picture, made smaller by area until its longer side has this many pixels."""
        import cv2

        scale = min(1.0, longer_side / max(self.width, self.height))
        number = int(np.log2(1 / scale))
        level = np.asarray(self._level(number))
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return cv2.resize(level, size, interpolation=cv2.INTER_AREA)

    def _level(self, number: int) -> Image.Image:
        """The picture reduced by area by 2^number; small levels by way of the one that is kept."""
        base = min(number, BASE)
        for each, below in ((base, 0), (number, base)):
            if each not in self._levels:
                self._levels[each] = self._levels[below].reduce(2 ** (each - below))
        return self._levels[number]

    def _part(self, number: int, box: tuple[int, int, int, int]) -> UInt8[np.ndarray, "h w 3"]:
        """A part of the picture halved by area so many times, which need not be there whole."""
        if number in self._levels:
            return np.asarray(self._levels[number].crop(box))
        below = BASE if number > BASE and BASE in self._levels else 0
        source, factor = self._levels[below], 2 ** (number - below)
        left, top, right, bottom = (edge * factor for edge in box)
        own = left, top, min(right, source.width), min(bottom, source.height)
        return np.asarray(source.reduce(factor, own))


def _bounds(window: Window, factor: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a level that a window reads: first ones, and those after the last."""
    corners = window.middle + window.scale * np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j]) / 2
    x, y = np.real(corners) / factor, np.imag(corners) / factor
    low = np.floor([x.min(), y.min()]).astype(int) - ROOM
    high = np.ceil([x.max(), y.max()]).astype(int) + ROOM
    return np.maximum(low, 0), np.minimum(high, size)
