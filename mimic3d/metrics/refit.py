"""Refit of one rigid object to the views: a radiance field is fitted to most of them.

Parts of the others that the fit cannot predict were not in space. The field knows no directions
and sees pictures only: neither depth nor alpha.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mimic3d.cameras import Cameras
from mimic3d.config import Config
from mimic3d.metrics.similarity import high_pass_error, psnr, ssim
from mimic3d.metrics.views import unit_range
from mimic3d.rays import Rays, cast_rays

CHUNK_POINTS = 2**20  # looked up at once while held-out views are rendered
DENSITY_GAIN = 5.0  # per world unit; with DENSITY_SLOPE, surfaces form in some dozens of steps
DENSITY_SLOPE = 10.0
FIRST_DENSITY = 0.01  # per world unit: light passes, so that all voxels learn
LAST_RATE = 0.1  # of the learning rate, where it decays to


class RefitConfig(Config):
    """The views, the field and its training; the defaults suit pictures of 64 pixels."""

    num_views: PositiveInt = 30
    """Views of each identity, evenly spread over the yaws."""
    yaw_rad: PositiveFloat = 0.4
    """Yaw of the outermost views, on both sides, rad."""
    held_out_every: int = Field(default=5, ge=3)
    """Interval of the held-out views, predicted and not fitted: one in 5 is 6 of 30."""
    voxels: tuple[PositiveInt, ...] = Field(default=(16, 32, 64), min_length=1)
    """Voxels along a side of the box; the field is the sum of grids of all these sizes."""
    num_steps: PositiveInt = 160
    """Steps of the optimiser."""
    num_rays: PositiveInt = 1024
    """Rays of each identity per step."""
    num_samples: PositiveInt = 32
    """Points along a ray; twice as many when views are predicted."""
    learning_rate: PositiveFloat = 0.05
    """Learning rate of Adam, at the beginning."""
    seed: NonNegativeInt = 0
    """Seed of rays and points."""


@dataclass(frozen=True)
class RefitScores:
    """Held-out views as the fitted field predicts them, means over the views."""

    refit_psnr: Float[Tensor, " n"]
    """PSNR, dB; blurred views are easier to predict, so that it must not stand alone."""
    refit_ssim: Float[Tensor, " n"]
    """Structural similarity."""
    refit_hf: Float[Tensor, " n"]
    """Energy of the error over energy of the view, both high-passed; 0 is best."""


def refit_yaws(cfg: RefitConfig) -> Float[Tensor, " v"]:
    """Yaws of the views that `refit_scores` wants, rad."""
    return torch.linspace(-cfg.yaw_rad, cfg.yaw_rad, cfg.num_views)


def held_out(cfg: RefitConfig) -> Bool[Tensor, " v"]:
    """Mask of the views that are predicted; all have fitted views on both sides."""
    return torch.arange(cfg.num_views) % cfg.held_out_every == cfg.held_out_every // 2


@torch.inference_mode(False)
@torch.enable_grad()
def refit_scores(
    images: Float[Tensor, "n v 3 h w"], cameras: Cameras, box_warp: float, cfg: RefitConfig
) -> RefitScores:
    """Scores of the held-out views of each identity, from a field fitted to the others.

    Images are in [-1, 1] and in the order of `refit_yaws`; cameras those of all views of the first
    identity, then of the second. The object lies in a cube of side `box_warp` around the origin,
    before one colour. On a CPU the same views always give the same scores.

    Raises:
        ValueError: another number of views than `num_views`.
    """
    num, num_views, _, side, _ = images.shape
    if num_views != cfg.num_views:
        raise ValueError(
            f"refit takes num_views = {cfg.num_views} views of each identity, has {num_views}; "
            f"render those of refit_yaws"
        )
    colors = rearrange(unit_range(images.flatten(0, 1)), "(n v) c h w -> n v (h w) c", v=num_views)
    rays = cast_rays(cameras, side)
    origins = rearrange(rays.origins, "(n v) r xyz -> n v r xyz", v=num_views)
    directions = rearrange(rays.directions, "(n v) r xyz -> n v r xyz", v=num_views)

    asked = held_out(cfg).to(images.device)
    known = Rays(origins[:, ~asked].flatten(1, 2), directions[:, ~asked].flatten(1, 2))
    field = _fit(known, colors[:, ~asked].flatten(1, 2), box_warp, cfg)
    rays_asked = Rays(origins[:, asked].flatten(1, 2), directions[:, asked].flatten(1, 2))
    colors_asked = _predict(field, rays_asked, 2 * cfg.num_samples)
    colors_asked = rearrange(colors_asked, "n (v h w) c -> (n v) c h w", h=side, w=side)
    target = rearrange(colors[:, asked], "n v (h w) c -> (n v) c h w", h=side)
    everywhere = torch.ones_like(target[:, :1])
    scores = [score(colors_asked, target, everywhere) for score in (psnr, ssim, high_pass_error)]
    return RefitScores(*(score.reshape(num, -1).mean(dim=1) for score in scores))


class RadianceField(nn.Module):
    """Density and colour in a box per identity, and one colour behind it.

    A sum of grids from coarse to fine: the coarse ones learn in a few steps what would take the
    fine ones hundreds.
    """

    def __init__(self, num: int, box_warp: float, voxels: tuple[int, ...], device: torch.device):
        super().__init__()
        self.grids = nn.ParameterList(
            [torch.zeros(num, 4, side, side, side, device=device) for side in sorted(voxels)]
        )
        self.behind = nn.Parameter(torch.zeros(num, 1, 3, device=device))
        self._box_warp = box_warp

    def total(self) -> Float[Tensor, "n 4 d d d"]:
        """Sum of all grids on the finest one: raw density, raw colours."""
        total, *finer = self.grids
        for grid in finer:
            size = list(grid.shape[2:])
            total = grid + F.interpolate(total, size, mode="trilinear", align_corners=False)
        return total

    def colors(
        self, total: Float[Tensor, "n 4 d d d"], rays: Rays, offsets: Float[Tensor, "#r s"]
    ) -> Float[Tensor, "n r 3"]:
        """Colours of rays in [0, 1]; each of s equal bins is sampled at its offset, 0..1."""
        half, num_samples = self._box_warp / 2, offsets.shape[-1]
        exits = (torch.stack([-half - rays.origins, half - rays.origins])) / rays.directions
        near, far = exits.amin(dim=0).amax(dim=-1), exits.amax(dim=0).amin(dim=-1)
        width = ((far - near).clamp(min=0) / num_samples)[..., None]  # n r 1; 0 where they miss
        bins = torch.arange(num_samples, device=offsets.device)
        depths = near[..., None] + (bins + offsets) * width
        points = rays.origins[:, :, None] + depths[..., None] * rays.directions[:, :, None]
        raw = F.grid_sample(
            total, points[:, None] / half, padding_mode="border", align_corners=False
        )[:, :, 0]  # n 4 r s
        optical = DENSITY_GAIN * F.softplus(DENSITY_SLOPE * raw[:, 0] + _density_bias()) * width
        before = optical.cumsum(dim=-1) - optical
        weights = torch.exp(-before) * -torch.expm1(-optical)
        passing = torch.exp(-optical.sum(dim=-1, keepdim=True))
        color = torch.einsum("nrs,ncrs->nrc", weights, raw[:, 1:].sigmoid())
        return color + passing * self.behind.sigmoid()


def _density_bias() -> float:
    return math.log(math.expm1(FIRST_DENSITY / DENSITY_GAIN))  # inverse of softplus


def _fit(
    rays: Rays, colors: Float[Tensor, "n r 3"], box_warp: float, cfg: RefitConfig
) -> RadianceField:
    field = RadianceField(len(colors), box_warp, cfg.voxels, colors.device)
    optimizer = torch.optim.Adam(field.parameters(), lr=cfg.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, LAST_RATE ** (1 / cfg.num_steps))
    rng = torch.Generator().manual_seed(cfg.seed)
    for _ in range(cfg.num_steps):
        index = torch.randint(colors.shape[1], (cfg.num_rays,), generator=rng)
        offsets = torch.rand(cfg.num_rays, cfg.num_samples, generator=rng).to(colors.device)
        index = index.to(colors.device)
        batch = Rays(rays.origins[:, index], rays.directions[:, index])
        error = field.colors(field.total(), batch, offsets) - colors[:, index]
        optimizer.zero_grad(set_to_none=True)
        error.square().mean(dim=(1, 2)).sum().backward()
        optimizer.step()
        schedule.step()
    return field


@torch.no_grad()
def _predict(field: RadianceField, rays: Rays, num_samples: int) -> Float[Tensor, "n r 3"]:
    total, chunk = field.total(), max(1, CHUNK_POINTS // (len(rays.origins) * num_samples))
    middles = total.new_full((1, num_samples), 0.5)
    parts = zip(rays.origins.split(chunk, 1), rays.directions.split(chunk, 1), strict=True)
    return torch.cat([field.colors(total, Rays(*part), middles) for part in parts], dim=1)
