"""Features of 3D points from tri-planes."""

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

Planes = tuple[Float[Tensor, "_ 3 _ _ _"], ...]
"""Tri-plane levels `n 3 c h w`, coarse first; planes are ordered xy, yz, zx."""

# The axis of space that runs along (columns, rows) of each plane. The third plane of EG3D's code is
# its second one transposed, so none of its planes sees yz; these are the planes of the papers.
PLANE_AXES = ((0, 1), (1, 2), (2, 0))


def sample_planes(planes: Planes, points: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m c"]:
    """Plane features at points in [-1, 1]^3: mean over planes, sum over levels (EG3D Sec. 4.1).

    Bilinear; zero outside a plane. Levels of different resolution are added after sampling, which
    is how detail planes refine coarse ones (Mimic3D).
    """
    grid = rearrange(points[..., PLANE_AXES], "n m p xy -> (n p) 1 m xy")
    levels = []
    for level in planes:
        maps = rearrange(level, "n p c h w -> (n p) c h w")
        features = F.grid_sample(maps, grid, align_corners=False)  # zeros outside
        levels.append(rearrange(features, "(n p) c 1 m -> n p c m", p=3).mean(dim=1))
    return rearrange(sum(levels[1:], start=levels[0]), "n c m -> n m c")
