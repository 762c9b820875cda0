"""Features of 3D points from tri-planes."""

from typing import Literal

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

Planes = tuple[Float[Tensor, "_ 3 _ _ _"], ...]
"""Tri-plane levels `n 3 c h w`, coarse first; planes are ordered xy, yz, zx."""

Axes = Literal["xy", "yz", "zx", "yx", "zy", "xz"]

PlaneAxes = tuple[Axes, Axes, Axes]
"""Axes of space along the columns and the rows of each plane."""

# The planes of the papers. The third one of EG3D's code is its second transposed, so that none of
# its planes sees yz, and no permutation turns one into the other.
PLANE_AXES: PlaneAxes = ("xy", "yz", "zx")
EG3D_PLANE_AXES: PlaneAxes = ("xy", "xz", "zx")


def sample_planes(
    planes: Planes, points: Float[Tensor, "n m 3"], axes: PlaneAxes = PLANE_AXES
) -> Float[Tensor, "n m c"]:
    """Plane features at points in [-1, 1]^3: mean over planes, sum over levels (EG3D Sec. 4.1).

    Bilinear; zero outside a plane. Levels of different resolution are added after sampling, which
    is how detail planes refine coarse ones (Mimic3D).
    """
    columns_rows = [["xyz".index(axis) for axis in plane] for plane in axes]
    grid = rearrange(points[..., columns_rows], "n m p xy -> (n p) 1 m xy")
    levels = []
    for level in planes:
        maps = rearrange(level, "n p c h w -> (n p) c h w")
        features = F.grid_sample(maps, grid, align_corners=False)  # zeros outside
        levels.append(rearrange(features, "(n p) c 1 m -> n p c m", p=3).mean(dim=1))
    return rearrange(sum(levels[1:], start=levels[0]), "n c m -> n m c")
