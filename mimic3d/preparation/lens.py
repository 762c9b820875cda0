"""Lens distortion of COLMAP, OpenCV, nerfstudio and instant-ngp, and crops that are free of it.

A pixel of the crop is a pixel of an ideal pinhole image with the focal length and the principal
point of the photo; `Lens.distort` says where in the photo its ray is. Imports no torch.
"""

import math

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8
from PIL import Image

from mimic3d.preparation.pose import Corners, Distortion, Lens

MAX_STRETCH = 2  # source pixels per pixel; finer ones are averaged by area before the warp
BORDER = 4  # source pixels around the crop that the cubic kernel may read
CELL = 16  # pixels of the crop in whose corners the lens is evaluated; between them, bilinear
GRID = 33  # points per side at which a crop is tested
STEPS = 24  # of bisection
MIN_SCALE = 0.5  # of the middle square; lenses that leave less are misfits (or all-round views)


def distort(
    distortion: Distortion, points: Float64[np.ndarray, "*k 2"]
) -> Float64[np.ndarray, "*k 2"]:
    """Distorted positions of ideal directions (x/z, y/z), focal lengths off the principal point.

    Radial and tangential terms as OpenCV and COLMAP define them; fisheye lenses apply them to
    theta / r times the direction, theta being the angle with the axis.
    """
    kind = distortion.projection
    if kind != "perspective":
        points = points * _radial_factor(distortion, np.linalg.norm(points, axis=-1))[..., None]
    x, y = points[..., 0], points[..., 1]
    r2 = x * x + y * y
    k, d = distortion.radial, distortion.denominator
    above = 1 + r2 * (k[0] + r2 * (k[1] + r2 * (k[2] + r2 * k[3])))
    radial = above / (1 + r2 * (d[0] + r2 * (d[1] + r2 * d[2])))
    (p1, p2), (s1, s2) = distortion.tangential, distortion.thin_prism
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2,
            y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + s2 * r2,
        ],
        axis=-1,
    )


def _radial_factor(
    distortion: Distortion, radius: Float64[np.ndarray, "*k"]
) -> Float64[np.ndarray, "*k"]:
    """Radius in the photo over the ideal radius; 1 in the middle."""
    r = np.maximum(radius, 1e-9)
    strength = distortion.strength
    match distortion.projection:
        case "fisheye":
            return np.arctan(r) / r
        case "fov":
            return np.arctan(2 * r * math.tan(strength / 2)) / (r * strength)
        case _:  # division: r = r' / (1 + k r'^2), solved for r'
            under_root = np.maximum(1 - 4 * strength * r * r, 0)
            return 2 / (1 + np.sqrt(under_root))


def distort_pixels(
    lens: Lens, positions: Float64[np.ndarray, "*k 2"]
) -> Float64[np.ndarray, "*k 2"]:
    """Positions in the ideal image -> positions in the photo, both in source pixels."""
    focal, center = np.array(lens.focal), np.array(lens.center)
    return distort(lens.distortion, (positions - center) / focal) * focal + center


def undistorted_square(width: int, height: int, lens: Lens) -> tuple[Corners, float]:
    """The largest square about the middle of the ideal image that the photo shows, and its scale.

    1 is the largest square in the middle of the photo, which is never exceeded; 0: there is none.
    """
    side = min(width, height)
    middle = np.array([(width - side) // 2, (height - side) // 2]) + side / 2
    low, high = 0.0, 1.0
    if not _shows(lens, middle, side, width, height):
        for _ in range(STEPS):
            scale = (low + high) / 2
            is_shown = _shows(lens, middle, scale * side, width, height)
            low, high = (scale, high) if is_shown else (low, scale)
        high = low
    (left, top), (right, bottom) = middle - high * side / 2, middle + high * side / 2
    left, top, right, bottom = map(float, (left, top, right, bottom))
    return (left, top, right, top, right, bottom, left, bottom), high


def _shows(
    lens: Lens, middle: Float64[np.ndarray, " 2"], side: float, width: int, height: int
) -> bool:
    """True if a square of the ideal image lies within the photo, without folds."""
    along = (np.arange(GRID) / (GRID - 1) - 0.5) * side
    grid = np.stack(np.meshgrid(along, along), axis=-1) + middle
    mapped = distort_pixels(lens, grid)
    if not np.isfinite(mapped).all():
        return False
    margin = 1e-6 * max(width, height)
    inside: Bool[np.ndarray, "*k 2"] = (mapped >= -margin) & (
        mapped <= [width + margin, height + margin]
    )
    right, down = np.diff(mapped, axis=1)[:-1], np.diff(mapped, axis=0)[:, :-1]
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    return bool(inside.all() and (area > 0).all())


def undistorted_crop(
    image: Image.Image, corners: Corners, lens: Lens, resolution: int
) -> UInt8[np.ndarray, "{resolution} {resolution} 3"]:
    """A square of the ideal image, at a resolution, sampled from the photo through its lens.

    Much larger ones are reduced by area first, then warped by cubic interpolation to at least their
    own sharpness, then resized by Lanczos. Outside the photo its mirror image continues.
    """
    square = np.array(corners, dtype=np.float64).reshape(4, 2)
    side = float(np.hypot(*(square[1] - square[0])))
    reduction = max(1, math.floor(side / resolution / MAX_STRETCH))
    size = resolution * max(1, math.ceil(side / reduction / resolution - 1e-6))
    edges = np.unique(np.append(np.arange(0, size, CELL), size))
    across = edges[None, :, None] / size * (square[1] - square[0])
    nodes = distort_pixels(
        lens, square[0] + across + edges[:, None, None] / size * (square[3] - square[0])
    )
    source, origin = _patch(image, nodes, reduction)
    nodes = (nodes - origin) / reduction
    cells = []
    for row in range(len(edges) - 1):
        for column in range(len(edges) - 1):
            box = (edges[column], edges[row], edges[column + 1], edges[row + 1])
            quad = [
                nodes[row, column],
                nodes[row + 1, column],
                nodes[row + 1, column + 1],
                nodes[row, column + 1],
            ]
            cells.append((tuple(map(int, box)), np.concatenate(quad).tolist()))
    warped = source.transform((size, size), Image.Transform.MESH, cells, Image.Resampling.BICUBIC)
    if size != resolution:
        warped = warped.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(warped)


def _patch(
    image: Image.Image, nodes: Float64[np.ndarray, "*k 2"], reduction: int
) -> tuple[Image.Image, Float64[np.ndarray, " 2"]]:
    """The part of a photo around some positions, continued by mirroring, and where it begins."""
    low = np.floor(nodes.min(axis=(0, 1))).astype(int) - BORDER * reduction
    high = np.ceil(nodes.max(axis=(0, 1))).astype(int) + BORDER * reduction
    columns = _mirrored(np.arange(low[0], high[0]), image.width)
    rows = _mirrored(np.arange(low[1], high[1]), image.height)
    patch = Image.fromarray(np.asarray(image)[rows][:, columns])
    return patch.reduce(reduction), low.astype(np.float64)


def _mirrored(index: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " n"]:
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)
