"""Depth-warp scores of the agreement of views of one object, which need no network.

No score alone is a verdict: blur raises `warp_psnr` and a flat billboard has no depth error. Read
them together, and only at equal resolution and baseline, beside the ceiling of true renderings.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from pydantic import Field, PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import project
from mimic3d.config import Config
from mimic3d.metrics.similarity import high_pass_error, masked_mean, psnr, ssim
from mimic3d.metrics.views import ImageDistance, PosedView, surface_points, unit_range

EDGE_RESOLUTION = 128  # where `depth_edge` holds; a slope spans fewer pixels the coarser they are


class WarpConfig(Config):
    """Criteria of the pixels that a depth warp counts."""

    occlusion: PositiveFloat = 0.02
    """Largest difference of depth, world units, at which both views see the same point."""
    alpha: float = Field(default=0.99, gt=0, lt=1)
    """Opacity above which a pixel is foreground."""
    depth_edge: PositiveFloat = 0.05
    """Step of depth per pixel, world units at 128 pixels, that is an edge and left out with its
    neighbours; twice as large at half the resolution."""


@dataclass(frozen=True)
class PairScores:
    """Agreement of two views of each identity; NaN where no pixel could be compared."""

    warp_psnr: Float[Tensor, " n"]
    """PSNR of one view warped into the other, dB."""
    warp_ssim: Float[Tensor, " n"]
    """Structural similarity of the same."""
    warp_hf: Float[Tensor, " n"]
    """Energy of the error over energy of the image, both high-passed; 0 is best."""
    warp_cov: Float[Tensor, " n"]
    """Share of the foreground that was compared; publish no score without it."""
    depth_xview: Float[Tensor, " n"]
    """Mean absolute difference of depth where compared, world units."""
    depth_contra: Float[Tensor, " n"]
    """Share of the foreground that the other view looks through."""


def pair_scores(a: PosedView, b: PosedView, cfg: WarpConfig) -> PairScores:
    """Depth-warp consistency of two views per identity, averaged over both directions."""
    there, back = _one_way(a, b, cfg), _one_way(b, a, cfg)
    return PairScores(
        **{name: (value + vars(back)[name]) / 2 for name, value in vars(there).items()}
    )


@dataclass(frozen=True)
class Warp:
    """A source view as the target sees it, and its candidate pixels."""

    image: Float[Tensor, "n 3 h w"]
    """Colours of the source at the points the target sees, in [0, 1]."""
    excess: Float[Tensor, "n 1 h w"]
    """Depth of the source beyond the point, world units; negative: the point is hidden."""
    candidates: Bool[Tensor, "n 1 h w"]
    """Foreground in both, inside the source's frame, away from depth edges in both."""


def warp(target: PosedView, source: PosedView, cfg: WarpConfig) -> Warp:
    """Looks up the points that the target's depth claims in the source view, bilinearly."""
    side, points = target.image.shape[-1], surface_points(target)
    uv, ahead = project(points, source.cameras)
    distance = (points - source.cameras.centers[:, None]).norm(dim=-1)
    margin = 1 / source.image.shape[-1]
    inside = ((uv >= margin) & (uv <= 1 - margin)).all(dim=-1) & (ahead > 0)

    trusted = usable(source, cfg).float()
    layers = torch.cat([unit_range(source.image), source.depth, trusted], dim=1)
    grid = rearrange(uv * 2 - 1, "n (h w) xy -> n h w xy", h=side)
    observed = F.grid_sample(layers, grid, padding_mode="border", align_corners=False)
    image, depth, trust = observed.split([3, 1, 1], dim=1)
    return Warp(
        image,
        depth - rearrange(distance, "n (h w) -> n 1 h w", h=side),
        usable(target, cfg) & rearrange(inside, "n (h w) -> n 1 h w", h=side) & (trust > 0.999),
    )


def usable(view: PosedView, cfg: WarpConfig) -> Bool[Tensor, "n 1 h w"]:
    """Foreground that is farther than one pixel from every depth edge."""
    depth = view.depth
    padded = F.pad(depth, (1, 1, 1, 1), mode="replicate")
    center = padded[..., 1:-1, 1:-1]
    down = torch.maximum(
        (padded[..., 2:, 1:-1] - center).abs(), (center - padded[..., :-2, 1:-1]).abs()
    )
    across = torch.maximum(
        (padded[..., 1:-1, 2:] - center).abs(), (center - padded[..., 1:-1, :-2]).abs()
    )
    threshold = cfg.depth_edge * EDGE_RESOLUTION / depth.shape[-1]
    edge = (torch.hypot(down, across) > threshold).float()
    near_edge = F.max_pool2d(edge, kernel_size=3, stride=1, padding=1) > 0
    return (view.alpha > cfg.alpha) & ~near_edge


def warp_distance(
    a: PosedView, b: PosedView, cfg: WarpConfig, distance: ImageDistance
) -> Float[Tensor, " n"]:
    """Perceptual distance of one view warped into the other, mean of both directions.

    What was not compared is filled with the target, where the distance is next to nothing; the
    result is therefore divided by the share of pixels that were. NaN where there are none.
    """

    def one_way(target: PosedView, source: PosedView) -> Float[Tensor, " n"]:
        warped = warp(target, source, cfg)
        mask = compared(warped, cfg)
        filled = torch.where(mask, warped.image * 2 - 1, target.image)
        return distance(filled, target.image) / mask.float().mean(dim=(1, 2, 3))

    return (one_way(a, b) + one_way(b, a)) / 2


def compared(warped: Warp, cfg: WarpConfig) -> Bool[Tensor, "n 1 h w"]:
    """Pixels whose point both views see."""
    return warped.candidates & (warped.excess.abs() < cfg.occlusion)


def _one_way(target: PosedView, source: PosedView, cfg: WarpConfig) -> PairScores:
    warped = warp(target, source, cfg)
    mask = compared(warped, cfg).float()
    image = unit_range(target.image)
    foreground = (target.alpha > cfg.alpha).float()
    seen_through = (warped.excess > cfg.occlusion).float()
    return PairScores(
        warp_psnr=psnr(warped.image, image, mask),
        warp_ssim=ssim(warped.image, image, mask),
        warp_hf=high_pass_error(warped.image, image, mask),
        warp_cov=mask.sum(dim=(1, 2, 3)) / foreground.sum(dim=(1, 2, 3)).clamp(min=1),
        depth_xview=masked_mean(warped.excess.abs(), mask),
        depth_contra=masked_mean(seen_through, warped.candidates.float()),
    )
