"""Colour maps of depth and of directions of surfaces."""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

# nine colours of matplotlib's viridis (CC0), far to near: lightness rises evenly
DEPTH_COLORS = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
    (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip


def depth_limits(
    depth: Float[Tensor, "n 1 h w"], alpha: Float[Tensor, "n 1 h w"]
) -> tuple[float, float]:
    """The range that most of what is visible lies in: 1st and 99th percentile, world units."""
    visible = depth[alpha > 0.5]
    if len(visible) == 0:
        visible = depth.flatten()
    near, far = np.percentile(visible.cpu().numpy(), [1, 99])
    return float(near), float(far)


def color_depth(
    depth: Float[Tensor, "n 1 h w"], near: float, far: float
) -> Float[Tensor, "n 3 h w"]:
    """Depth map in colours of evenly rising lightness, yellow at `near` and violet at `far`."""
    colors = torch.tensor(DEPTH_COLORS, dtype=torch.float32, device=depth.device) / 127.5 - 1
    height = ((far - depth[:, 0]) / max(far - near, 1e-6)).clamp(0, 1) * (len(colors) - 1)
    below = height.floor().long().clamp(max=len(colors) - 2)
    share = (height - below)[..., None]
    mixed = colors[below] * (1 - share) + colors[below + 1] * share
    return rearrange(mixed, "n h w c -> n c h w")


def color_normals(
    normals: Float[Tensor, "n 3 h w"], alpha: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Normal map as tools draw it: red to the right, green up, blue to the viewer; empty is white.

    A component c in [-1, 1] has the brightness (c + 1) / 2, which is an image in [-1, 1] as it is.
    """
    share = alpha.clamp(0, 1)
    return normals * share + (1 - share)
