"""Densities along a ray to the share of every sample in its pixel."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DENSITY_BIAS = -1.0  # the scene starts thin, which trains better (EG3D's ray marcher)
COLOR_MARGIN = 0.001  # lets a sigmoid reach 0 and 1 (mip-NeRF)


def interval_weights(
    logits: Float[Tensor, "n r s"], depths: Float[Tensor, "n r s"], density_gain: float
) -> Float[Tensor, "n r s-1"]:
    """Share of each interval between neighbouring depths in the pixel (NeRF Eq. 3).

    The density of an interval is softplus of the mean raw density of its ends (the mid-point rule
    of EG3D's ray marcher), times `density_gain`. Depths ascend. What is missing to 1 passes
    through.
    """
    middle = (logits[..., 1:] + logits[..., :-1]) / 2
    density = F.softplus(middle + DENSITY_BIAS) * density_gain
    optical = density * depths.diff(dim=-1)
    before = F.pad(optical.cumsum(dim=-1)[..., :-1], (1, 0))
    return torch.exp(-before) * -torch.expm1(-optical)


def sample_weights(weights: Float[Tensor, "n r i"]) -> Float[Tensor, "n r i+1"]:
    """Share of each sample, when an interval's colour is the mean of the colours at its ends.

    Moves the mid-point rule from 32 channels of colour to one channel of weight: colours are then
    neither sorted nor averaged.
    """
    half = weights / 2
    return F.pad(half, (0, 1)) + F.pad(half, (1, 0))


def mean_depth(
    weighted: Float[Tensor, "n r 1"], alpha: Float[Tensor, "n r 1"],
    depths: Float[Tensor, "n r s"], far: float, legacy: bool,
) -> Float[Tensor, "n r 1"]:  # fmt: skip
    """Mean depth of what a ray hits, from the sum of shares times depths; `far` where it is empty.

    The reference (`legacy`) gives an empty ray the largest depth of the whole call, which depends
    on what else is rendered.
    """
    if legacy:
        depth = torch.nan_to_num(weighted / alpha, nan=float("inf"))
        return depth.clamp(depths.min(), depths.max())
    empty = 1e-6  # a ray with less than this in its way sees `far`
    return (weighted + empty * far) / (alpha + empty)
