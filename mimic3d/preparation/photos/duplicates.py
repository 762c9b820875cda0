"""Near copies of a photo: the same picture stored again, resized or recompressed."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
from jaxtyping import UInt8
from PIL import Image

HASH_ROWS = 8
BITS = HASH_ROWS * HASH_ROWS


def difference_hash(pixels: UInt8[np.ndarray, "h w 3"]) -> int:
    """Hash of 64 bits: where the grey of an 8 x 9 miniature rises from left to right (dHash)."""
    size = (HASH_ROWS + 1, HASH_ROWS)
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.BOX))
    rises = grey[:, 1:] > grey[:, :-1]
    return int.from_bytes(np.packbits(rises).tobytes(), "big")


class DuplicateIndex:
    """Hashes of images, searched for one within some bits of another.

    Hashes that differ in at most d bits agree in one of d + 1 slices of their bits, so only hashes
    that share a slice are compared.
    """

    def __init__(self, max_bits: int) -> None:
        self.max_bits = max_bits
        edges = [BITS * index // (max_bits + 1) for index in range(max_bits + 2)]
        self._slices = [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]
        self._entries: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)

    def add(self, dhash: int, image_id: str) -> tuple[str, int] | None:
        """The image of which this is a near copy, and the bits they differ in; else adds it."""
        keys = [(low, (dhash >> low) & mask) for low, mask in self._slices]
        for key in keys:
            for other, other_id in self._entries[key]:
                distance = (dhash ^ other).bit_count()
                if distance <= self.max_bits:
                    return other_id, distance
        for key in keys:
            self._entries[key].append((dhash, image_id))
        return None
