"""Depths of samples along a ray: stratified first, then where the first pass met density."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

Sampling = Callable[[tuple[int, ...]], Tensor]
"""Uniform numbers in [0, 1) of a shape: where samples lie inside their bins."""


def uniform_draws(rng: torch.Generator) -> Sampling:
    """Fresh numbers at every call."""
    return lambda shape: torch.rand(shape, generator=rng, device=rng.device)


def bin_offsets(shape: tuple[int, ...], sampling: Sampling | None, like: Tensor) -> Tensor:
    """Position of a sample inside its bin: the middle, or drawn."""
    if sampling is None:
        return like.new_full(shape, 0.5)
    return sampling(shape).to(like)


def stratified_depths(
    near: float, far: float, num_samples: int, like: Float[Tensor, "n r 3"],
    sampling: Sampling | None, legacy: bool = False,
) -> Float[Tensor, "n r s"]:  # fmt: skip
    """One depth in each of `num_samples` equal bins between near and far (NeRF Eq. 2).

    Without `sampling`, the middles of the bins. The reference spaces its bins by
    (far - near) / (num_samples - 1), so that the last one lies beyond far: `legacy`.
    """
    width = (far - near) / (num_samples - 1 if legacy else num_samples)
    bins = torch.arange(num_samples, device=like.device, dtype=like.dtype)
    return near + (bins + bin_offsets((*like.shape[:2], num_samples), sampling, like)) * width


def importance_depths(
    depths: Float[Tensor, "n r s"], weights: Float[Tensor, "n r s-1"], num_samples: int,
    sampling: Sampling | None, legacy: bool = False,
) -> Float[Tensor, "n r s2"]:  # fmt: skip
    """New depths, distributed as the blurred weights of the first pass (NeRF Sec. 5.2).

    One draw is taken from each of `num_samples` equal slices of probability, or its middle without
    `sampling`. The `legacy` draws of the reference are not stratified.
    """
    cdf, edges = importance_bins(depths, weights, legacy)
    shape = (*depths.shape[:2], num_samples)
    u = bin_offsets(shape, sampling, depths)
    if sampling is None or not legacy:
        u = (torch.arange(num_samples, device=u.device, dtype=u.dtype) + u) / num_samples
    return invert_cdf(cdf, edges, u)


def importance_bins(
    depths: Float[Tensor, "n r s"], weights: Float[Tensor, "n r s-1"], legacy: bool = False
) -> tuple[Float[Tensor, "n r b"], Float[Tensor, "n r b2"]]:
    """Cumulative distribution over bins of depth, and the edges of the bins.

    The weight of an interval between two neighbouring depths is spread evenly over it. The
    reference's bins are the midpoints of the intervals with the weights shifted by one, which moves
    samples half a bin towards the camera and never reaches the last bin: `legacy`.
    """
    if legacy:
        edges = (depths[..., 1:] + depths[..., :-1]) / 2
        mass = blur_weights(weights)[..., 1:-1] + 1e-5
    else:
        edges = depths
        mass = blur_weights(weights)
    cdf = (mass / mass.sum(dim=-1, keepdim=True)).cumsum(dim=-1)
    return F.pad(cdf, (1, 0)), edges


def blur_weights(weights: Float[Tensor, "n r s"]) -> Float[Tensor, "n r s"]:
    """Weights widened to their neighbours, plus a floor, so that no interval is starved.

    Maximum over neighbouring pairs, mean of neighbouring maxima, plus 0.01 (EG3D, after mip-NeRF).
    """
    pairs = F.max_pool1d(rearrange(weights, "n r s -> (n r) 1 s"), 2, stride=1, padding=1)
    blurred = F.avg_pool1d(pairs, 2, stride=1)
    return rearrange(blurred, "(n r) 1 s -> n r s", n=weights.shape[0]) + 0.01


def invert_cdf(
    cdf: Float[Tensor, "n r b"], edges: Float[Tensor, "n r b2"], u: Float[Tensor, "n r s"]
) -> Float[Tensor, "n r s"]:
    """Depths where a piecewise linear distribution, given at the edges of its bins, reaches u."""
    last = cdf.shape[-1] - 1
    index = torch.searchsorted(cdf, u.contiguous(), right=True)
    below, above = (index - 1).clamp(min=0), index.clamp(max=last)
    low, high = cdf.gather(-1, below), cdf.gather(-1, above)
    step = high - low
    step = torch.where(step < 1e-5, torch.ones_like(step), step)
    start, end = edges.gather(-1, below), edges.gather(-1, above)
    return start + (u - low) / step * (end - start)
