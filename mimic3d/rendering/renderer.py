"""Tri-planes and rays to pixels: the two-pass volume renderer behind one function."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.rays import Rays
from mimic3d.rendering.composite import interval_weights, mean_depth, sample_weights
from mimic3d.rendering.depths import Sampling, importance_depths, stratified_depths
from mimic3d.rendering.memory import chunk_bytes
from mimic3d.rendering.triplane import PLANE_AXES, PlaneAxes, Planes, sample_planes

FLOAT_BYTES = 4


class RenderingConfig(Config):
    """Samples along a ray."""

    depth_resolution: int = Field(default=48, ge=4)
    """Samples of the first pass, evenly spread between near and far."""
    depth_resolution_importance: PositiveInt = 48
    """Samples of the second pass, where the first one found density."""
    density_gain: PositiveFloat = 1.0
    """Factor of all densities, 1 in the reference; with more, a short training on few images
    reaches opaque surfaces sooner."""
    plane_axes: PlaneAxes = PLANE_AXES
    """Axes of space along the columns and the rows of each plane; EG3D's checkpoints have
    [xy, xz, zx]."""


@runtime_checkable
class Decode(Protocol):
    """Features of points to raw densities and the first `channels` of their colour features."""

    def __call__(
        self, features: Float[Tensor, "n m c"], channels: int
    ) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m k"]]:
        """Raw densities, and colours in 0..1."""
        ...


@dataclass(frozen=True)
class Render:
    """View of a bundle of rays; depth is the mean distance along the unit ray, far if empty."""

    features: Float[Tensor, "n r c"]
    depth: Float[Tensor, "n r 1"]
    alpha: Float[Tensor, "n r 1"]


def query(
    planes: Planes, decode: Decode, points: Float[Tensor, "n m 3"], scene: Scene,
    cfg: RenderingConfig, channels: int,
) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m k"]]:  # fmt: skip
    """Raw densities and colour features at points in world units."""
    return decode(sample_planes(planes, points * (2 / scene.box_warp), cfg.plane_axes), channels)


def render(
    planes: Planes, decode: Decode, rays: Rays, scene: Scene, cfg: RenderingConfig,
    channels: int, sampling: Sampling | None = None, legacy: bool = False,
) -> Render:  # fmt: skip
    """Volume-render rays in two passes (EG3D Sec. 4.1); features come out in [-1, 1].

    Only the first `channels` colour features are decoded. Without `sampling` the samples lie at
    fixed places, so that the same scene and camera always give the same pixels; with it they are
    drawn, one per bin. Without gradients, rays go in chunks that fit into the memory that is free
    (see `memory`). `legacy` samples as the reference does (see `depths`) and clamps the depth map
    like it (see `mean_depth`).
    """
    if torch.is_grad_enabled():
        return _render_chunk(planes, decode, rays, scene, cfg, channels, sampling, legacy)
    chunk = chunk_rays(planes, len(rays.origins), cfg)
    if chunk >= rays.origins.shape[1]:
        return _render_chunk(planes, decode, rays, scene, cfg, channels, sampling, legacy)
    parts = [
        _render_chunk(
            planes, decode, Rays(origins, directions), scene, cfg, channels, sampling, legacy
        )
        for origins, directions in zip(
            rays.origins.split(chunk, dim=1), rays.directions.split(chunk, dim=1), strict=True
        )
    ]
    return Render(
        torch.cat([part.features for part in parts], dim=1),
        torch.cat([part.depth for part in parts], dim=1),
        torch.cat([part.alpha for part in parts], dim=1),
    )


def chunk_rays(planes: Planes, num: int, cfg: RenderingConfig) -> int:
    """Rays of each of `num` samples that are rendered at once without gradients.

    A ray is taken to hold the features of all its samples on every plane, which bounds what is
    measured: a pass holds half of its samples, but their means and the decoder's layers as well.
    """
    num_samples = cfg.depth_resolution + cfg.depth_resolution_importance
    features = len(planes) * 3 * planes[0].shape[2]
    ray_bytes = FLOAT_BYTES * num * num_samples * features
    return max(1, chunk_bytes(planes[0].device) // ray_bytes)


def _render_chunk(
    planes: Planes, decode: Decode, rays: Rays, scene: Scene, cfg: RenderingConfig,
    channels: int, sampling: Sampling | None, legacy: bool,
) -> Render:  # fmt: skip
    def look(depths: Float[Tensor, "n r s"]):
        points = rays.origins[:, :, None] + depths[..., None] * rays.directions[:, :, None]
        logits, colors = query(
            planes, decode, rearrange(points, "n r s xyz -> n (r s) xyz"), scene, cfg, channels
        )
        samples = depths.shape[-1]
        return (
            rearrange(logits, "n (r s) 1 -> n r s", s=samples),
            rearrange(colors, "n (r s) c -> n r s c", s=samples),
        )

    first = stratified_depths(
        scene.near, scene.far, cfg.depth_resolution, rays.origins, sampling, legacy
    )
    first_logits, first_colors = look(first)
    with torch.no_grad():
        weights = interval_weights(first_logits, first, cfg.density_gain)
        second = importance_depths(
            first, weights, cfg.depth_resolution_importance, sampling, legacy
        )
    second_logits, second_colors = look(second)

    depths, order = torch.cat([first, second], dim=-1).sort(dim=-1)
    logits = torch.cat([first_logits, second_logits], dim=-1).gather(-1, order)
    weights = interval_weights(logits, depths, cfg.density_gain)
    shares = sample_weights(weights)
    unsorted = torch.empty_like(shares).scatter(-1, order, shares)
    split = first.shape[-1]
    features = torch.einsum("nrs,nrsc->nrc", unsorted[..., :split], first_colors) + torch.einsum(
        "nrs,nrsc->nrc", unsorted[..., split:], second_colors
    )
    alpha = weights.sum(dim=-1, keepdim=True)
    if scene.white_back:
        features = features + (1 - alpha)
    depth = mean_depth(
        (shares * depths).sum(dim=-1, keepdim=True), alpha, depths, scene.far, legacy
    )
    return Render(features * 2 - 1, depth, alpha)
