"""Cameras that come with images, by the image's name, before any crop. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int

from mimic3d.preparation.pose import Distortion


@dataclass(frozen=True)
class CameraTable:
    """Cameras of many images: OpenCV axes, camera to world, y up."""

    images: tuple[str, ...]
    """Names of the images; each once."""
    cam2world: Float64[np.ndarray, "n 4 4"]
    intrinsics: Float64[np.ndarray, "n 3 3"]
    """Intrinsics of the whole image, or of the crop if there is one: first row divided by its
    width, second by its height; 0 is the left or upper edge."""
    sizes: Int[np.ndarray, "n 2"]
    """Width and height that the intrinsics were stated for; 0 where they were not."""
    crops: Float64[np.ndarray, "n 8"]
    """Crop corners in source pixels, clockwise from the top left; not a number where none is."""
    confidence: Float64[np.ndarray, " n"]
    reproj_px: Float64[np.ndarray, " n"]
    identities: tuple[str, ...]
    """Identity of the image's subject; empty when unknown."""
    distortions: tuple[Distortion | None, ...]
    """Distortion of the lens; None for a pinhole."""

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of every image."""
        return {image: row for row, image in enumerate(self.images)}

    def select(self, kept: Bool[np.ndarray, " n"]) -> "CameraTable":
        """The rows of a mask."""
        where = np.flatnonzero(kept).tolist()
        arrays = {
            name: value[kept] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        tuples = {
            name: tuple(value[row] for row in where)
            for name, value in vars(self).items()
            if isinstance(value, tuple)
        }
        return replace(self, **arrays, **tuples)

    def rename(self, names: Sequence[str]) -> "CameraTable":
        """Table of these cameras under other names, in order."""
        return replace(self, images=tuple(names))


def build_table(
    images: Sequence[str],
    cam2world: Float64[np.ndarray, "n 4 4"],
    intrinsics: Float64[np.ndarray, "n 3 3"],
    **known: Any,
) -> CameraTable:
    """A table; columns that are not given by name say that nothing is known."""
    num = len(images)
    columns = {
        "sizes": np.zeros((num, 2), dtype=np.int64),
        "crops": np.full((num, 8), np.nan),
        "confidence": np.ones(num),
        "reproj_px": np.zeros(num),
        "identities": ("",) * num,
        "distortions": (None,) * num,
    }
    return CameraTable(tuple(images), cam2world, intrinsics, **(columns | known))


def square_focals(table: CameraTable) -> Float64[np.ndarray, " n"]:
    """Focal lengths divided by the side of the largest square in the middle."""
    width, height = np.where(table.sizes > 0, table.sizes, 1).T
    return table.intrinsics[:, 0, 0] * width / np.minimum(width, height)


def join_tables(tables: Sequence[CameraTable]) -> CameraTable:
    """The rows of all tables; of an image that is in several, the first."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables])
        if isinstance(value, np.ndarray)
        else tuple(row for table in tables for row in getattr(table, name))
        for name, value in vars(tables[0]).items()
        if isinstance(value, (np.ndarray, tuple))
    }
    joined = CameraTable(**columns)
    images = joined.images
    first = {image: row for row, image in reversed(list(enumerate(images)))}
    kept = np.array([first[image] == row for row, image in enumerate(images)], dtype=bool)
    return joined.select(kept)
