"""Posed views, the input of multi-view scores: images with depth and their cameras."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.rays import cast_rays

Branch = Literal["2d", "3d"]
"""Branch of a generator: 2D renders small and enlarges with a network, 3D renders every pixel."""

ImageDistance = Callable[[Tensor, Tensor], Tensor]
"""Distance of each of n images in [-1, 1] to its target, such as LPIPS: n numbers."""


@dataclass(frozen=True)
class PosedView:
    """View of a camera: an image in [-1, 1], distances along its rays, alpha."""

    image: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 h w"]
    alpha: Float[Tensor, "n 1 h w"]
    cameras: Cameras


def unit_range(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Images in [-1, 1] as images in [0, 1], where all scores are taken."""
    return images / 2 + 0.5


def surface_points(view: PosedView) -> Float[Tensor, "n m 3"]:
    """Points in the world that the view's depth gives to each pixel, row by row."""
    rays = cast_rays(view.cameras, view.image.shape[-1])
    return rays.origins + rearrange(view.depth, "n 1 h w -> n (h w) 1") * rays.directions
