"""Do the views of one object agree? Depth-warp scores that need no network.

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

from mimic3d.cameras import Cameras, project
from mimic3d.config import Config
from mimic3d.rays import cast_rays

SIGMA_PX = 1.5  # of the windows of SSIM (Wang et al. 2004), and of the high-pass filter
RADIUS_PX = 5
EDGE_RESOLUTION = 128  # where `depth_edge` holds; a slope spans fewer pixels the coarser they are
SMALLEST_ERROR = 1e-10  # mean square; caps PSNR at 100 dB


class WarpConfig(Config):
    """Which pixels a depth warp counts."""

    occlusion: PositiveFloat = 0.02
    """Largest difference of depth, world units, at which both views see the same point."""
    alpha: float = Field(default=0.99, gt=0, lt=1)
    """Opacity above which a pixel is foreground."""
    depth_edge: PositiveFloat = 0.05
    """Step of depth per pixel, world units at 128 pixels, that is an edge and left out with its
    neighbours; twice as large at half the resolution."""


@dataclass(frozen=True)
class PosedView:
    """What a camera sees: an image in [-1, 1], distances along its rays, alpha."""

    image: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 h w"]
    alpha: Float[Tensor, "n 1 h w"]
    cameras: Cameras


@dataclass(frozen=True)
class PairScores:
    """Agreement of two views of each identity; NaN where no pixel could be compared."""

    warp_psnr: Float[Tensor, " n"]
    """Of one view warped into the other, dB."""
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
    """A source view as the target sees it, and which of its pixels mean something."""

    image: Float[Tensor, "n 3 h w"]
    """Colours of the source at the points the target sees, in [0, 1]."""
    excess: Float[Tensor, "n 1 h w"]
    """How much farther the source sees than the point is, world units; negative: it is hidden."""
    candidates: Bool[Tensor, "n 1 h w"]
    """Foreground in both, inside the source's frame, away from depth edges in both."""


def warp(target: PosedView, source: PosedView, cfg: WarpConfig) -> Warp:
    """Look up the points that the target's depth claims in the source view, bilinearly."""
    side = target.image.shape[-1]
    rays = cast_rays(target.cameras, side)
    points = rays.origins + rearrange(target.depth, "n 1 h w -> n (h w) 1") * rays.directions
    uv, ahead = project(points, source.cameras)
    distance = (points - source.cameras.centers[:, None]).norm(dim=-1)
    margin = 1 / source.image.shape[-1]
    inside = ((uv >= margin) & (uv <= 1 - margin)).all(dim=-1) & (ahead > 0)

    usable = _usable(source, cfg).float()
    layers = torch.cat([source.image / 2 + 0.5, source.depth, usable], dim=1)
    grid = rearrange(uv * 2 - 1, "n (h w) xy -> n h w xy", h=side)
    seen = F.grid_sample(layers, grid, padding_mode="border", align_corners=False)
    image, depth, trust = seen.split([3, 1, 1], dim=1)
    return Warp(
        image,
        depth - rearrange(distance, "n (h w) -> n 1 h w", h=side),
        _usable(target, cfg) & rearrange(inside, "n (h w) -> n 1 h w", h=side) & (trust > 0.999),
    )


def _usable(view: PosedView, cfg: WarpConfig) -> Bool[Tensor, "n 1 h w"]:
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


def _one_way(target: PosedView, source: PosedView, cfg: WarpConfig) -> PairScores:
    warped = warp(target, source, cfg)
    mask = (warped.candidates & (warped.excess.abs() < cfg.occlusion)).float()
    image = target.image / 2 + 0.5
    error = _mean(((warped.image - image) ** 2).mean(dim=1, keepdim=True), mask)
    foreground = (target.alpha > cfg.alpha).float()
    candidates = warped.candidates.float()
    seen_through = (warped.excess > cfg.occlusion).float()
    return PairScores(
        warp_psnr=-10 * error.clamp(min=SMALLEST_ERROR).log10(),
        warp_ssim=_mean(ssim_map(warped.image, image, mask), mask),
        warp_hf=_high_pass_error(warped.image, image, mask),
        warp_cov=_sum(mask) / _sum(foreground).clamp(min=1),
        depth_xview=_mean(warped.excess.abs(), mask),
        depth_contra=_mean(seen_through, candidates),
    )


def _sum(values: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    return values.sum(dim=(1, 2, 3))


def _mean(values: Float[Tensor, "n 1 h w"], mask: Float[Tensor, "n 1 h w"]) -> Float[Tensor, " n"]:
    """Mean over the mask; NaN (0 / 0) where it is empty."""
    return _sum(values * mask) / _sum(mask)


def _smooth(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    steps = torch.arange(-RADIUS_PX, RADIUS_PX + 1, device=images.device, dtype=images.dtype)
    taps = torch.exp(-(steps**2) / (2 * SIGMA_PX**2))
    taps = taps / taps.sum()
    channels = images.shape[1]
    column = taps.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1)
    row = taps.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1)
    images = F.conv2d(images, column, padding=(RADIUS_PX, 0), groups=channels)
    return F.conv2d(images, row, padding=(0, RADIUS_PX), groups=channels)


def _blur(
    images: Float[Tensor, "n c h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n c h w"]:
    """Gaussian mean over the pixels of the mask alone: what lies outside was never warped."""
    return _smooth(images * mask) / _smooth(mask).clamp(min=1e-6)


def ssim_map(
    a: Float[Tensor, "n 3 h w"], b: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 1 h w"]:
    """Structural similarity of images in [0, 1] (Wang et al. 2004), windows cut to the mask."""
    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b, aa, bb, ab = _blur(torch.cat([a, b, a * a, b * b, a * b], 1), mask).chunk(5, 1)
    covariance = ab - mean_a * mean_b
    variances = aa - mean_a**2 + bb - mean_b**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    similarity = luminance * (2 * covariance + c2) / (variances + c2)
    return similarity.mean(dim=1, keepdim=True)


def _high_pass_error(
    warped: Float[Tensor, "n 3 h w"], image: Float[Tensor, "n 3 h w"],
    mask: Float[Tensor, "n 1 h w"],
) -> Float[Tensor, " n"]:  # fmt: skip
    detail = image - _blur(image, mask)
    difference = warped - _blur(warped, mask) - detail
    return _sum(difference**2 * mask) / _sum(detail**2 * mask)
