"""A crop of a photo, of any size and turn, at the resolution of the dataset. Without torch."""

import math

import numpy as np
from jaxtyping import Float64, Int, UInt8
from PIL import Image

from mimic3d.preparation.pose import Corners

SHARPNESS = 2  # source pixels per pixel; finer ones are averaged by area before the warp
BORDER = 4  # pixels around the crop that the cubic kernel may read


def crop_image(
    image: Image.Image, corners: Corners, resolution: int
) -> UInt8[np.ndarray, "{resolution} {resolution} 3"]:
    """The square between the corners (source pixels, clockwise from the top left), upright.

    Much larger ones are reduced by area, then warped by cubic interpolation to their own sharpness,
    a pixel for a pixel, then resized by Lanczos. Outside the photo its mirror image continues. A
    crop of whole pixels at their own size is a copy.
    """
    square = np.array(corners, dtype=np.float64).reshape(4, 2)
    side = float(np.hypot(*(square[1] - square[0])))
    reduction = max(1, math.floor(side / resolution / SHARPNESS))
    source, origin = _cut_out(image, square, reduction)
    size = max(resolution, math.ceil(side / reduction - 1e-6))
    right, down = square[1] - square[0], square[3] - square[0]
    step = np.stack([right, down], axis=1) / size / reduction  # source pixels per pixel
    start = (square[0] - origin) / reduction
    matrix = np.concatenate([step, start[:, None]], axis=1).ravel().tolist()
    warped = source.transform(
        (size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    if size != resolution:
        warped = warped.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(warped)


def padded_share(corners: Corners, size: tuple[int, int]) -> float:
    """Share of the crop's area that is outside the photo."""
    square = np.array(corners, dtype=np.float64).reshape(4, 2)
    inside = square
    for axis, limit in enumerate(size):
        for sign, bound in ((1, 0.0), (-1, -float(limit))):
            inside = _clip(inside, sign * inside[:, axis] - bound)
    return float(np.clip(1 - _area(inside) / _area(square), 0, 1))


def _cut_out(
    image: Image.Image, square: Float64[np.ndarray, "4 2"], reduction: int
) -> tuple[Image.Image, Float64[np.ndarray, " 2"]]:
    """Part of the photo that the crop needs, continued by mirroring and reduced, and its corner."""
    low = np.floor(square.min(axis=0)).astype(int) - BORDER * reduction
    high = np.ceil(square.max(axis=0)).astype(int) + BORDER * reduction
    columns = _mirrored(np.arange(low[0], high[0]), image.width)
    rows = _mirrored(np.arange(low[1], high[1]), image.height)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    patch = image.crop(box)  # the whole photo would be an array of its own size
    if (low < 0).any() or (high > image.size).any():
        pixels = np.asarray(patch)
        patch = Image.fromarray(pixels[rows - box[1]][:, columns - box[0]])
    return patch.reduce(reduction), low.astype(np.float64)


def _mirrored(index: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " n"]:
    """Indices mirrored back and forth into 0..size-1."""
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def _clip(
    polygon: Float64[np.ndarray, "k 2"], distance: Float64[np.ndarray, " k"]
) -> Float64[np.ndarray, "l 2"]:
    """The part of a convex polygon whose distance from a line is positive."""
    points = []
    for here, there in zip(range(len(polygon)), np.roll(range(len(polygon)), -1), strict=True):
        if distance[here] >= 0:
            points.append(polygon[here])
        if distance[here] * distance[there] < 0:
            share = distance[here] / (distance[here] - distance[there])
            points.append(polygon[here] + share * (polygon[there] - polygon[here]))
    return np.array(points).reshape(-1, 2)


def _area(polygon: Float64[np.ndarray, "k 2"]) -> float:
    """Area of a polygon without crossings."""
    x, y = polygon.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2
