"""Near copies of a photo: the same picture stored again, resized or recompressed.

Difference hashes find candidates among many images. Heads before one backdrop have near hashes too
(of 913,000 pairs of rendered heads 1069 differ in up to 4 bits), so their greys must agree as well.
"""

from collections import defaultdict
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image

HASH_ROWS = 8
BITS = HASH_ROWS * HASH_ROWS
MINIATURE = 16  # pixels
MIN_CORRELATION = 0.98  # of greys; 99 % of copies have 0.988, 99 % of other heads less than 0.975
FLAT = 1.0  # deviation of grey that is none, of 255


def difference_hash(pixels: UInt8[np.ndarray, "h w 3"]) -> int:
    """Hash of 64 bits: where the grey of an 8 x 9 miniature rises from left to right (dHash)."""
    size = (HASH_ROWS + 1, HASH_ROWS)
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.BOX))
    rises = grey[:, 1:] > grey[:, :-1]
    return int.from_bytes(np.packbits(rises).tobytes(), "big")


def miniature(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Greys of the image at 16 x 16 pixels."""
    grey = Image.fromarray(pixels).convert("L")
    return grey.resize((MINIATURE, MINIATURE), Image.Resampling.BOX).tobytes()


def are_alike(one: bytes, other: bytes) -> bool:
    """True if the greys of two miniatures agree up to brightness and contrast; empty ones do."""
    if not one or not other:
        return True
    first, second = _centered(one), _centered(other)
    flat = len(first) * FLAT**2
    correlation = (first @ second + flat) / np.sqrt(
        (first @ first + flat) * (second @ second + flat)
    )
    return bool(correlation >= MIN_CORRELATION)


def _centered(greys: bytes) -> Float64[np.ndarray, " m"]:
    values = np.frombuffer(greys, np.uint8).astype(np.float64)
    return values - values.mean()


class DuplicateIndex:
    """Hashes of images, searched for one within some bits of another.

    Hashes that differ in at most d bits agree in one of d + 1 slices of their bits, so only hashes
    that share a slice are compared.
    """

    def __init__(self, max_bits: int) -> None:
        self.max_bits = max_bits
        edges = [BITS * index // (max_bits + 1) for index in range(max_bits + 2)]
        self._slices = [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]
        self._entries: dict[tuple[int, int], list[tuple[int, str, bytes]]] = defaultdict(list)

    def add(self, dhash: int, image_id: str, greys: bytes = b"") -> tuple[str, int] | None:
        """The image of which this is a near copy, and the bits they differ in; else adds it.

        `greys` is the image's miniature; without one the hashes decide alone.
        """
        keys = [(low, (dhash >> low) & mask) for low, mask in self._slices]
        for key in keys:
            for other, other_id, other_greys in self._entries[key]:
                distance = (dhash ^ other).bit_count()
                if distance <= self.max_bits and are_alike(greys, other_greys):
                    return other_id, distance
        for key in keys:
            self._entries[key].append((dhash, image_id, greys))
        return None
