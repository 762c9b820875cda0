"""Non-flatness score: the number of depths of a picture, an alarm for collapsed geometry."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

BINS = 64  # of depth between near and far (3DGP)
OPAQUE = 0.5  # alpha below which a pixel shows what is behind everything: `far`
SMALLEST_SHARE = 1e-12  # inside the logarithm (3DGP)


@dataclass(frozen=True)
class FlatnessScores:
    """Effective number of depth bins of each frontal view: 1 is a plane, 64 all depths alike.

    It says nothing about quality: compare with true shapes, and worry when it falls below them.
    """

    nfs: Float[Tensor, " n"]
    """Score of the whole picture; the empty background counts as `far`."""
    nfs_fg: Float[Tensor, " n"]
    """Score of the foreground alone; NaN where there is none."""


def flatness(
    depth: Float[Tensor, "n 1 h w"], alpha: Float[Tensor, "n 1 h w"], near: float, far: float
) -> FlatnessScores:
    """Non-flatness of mean depths of what a ray hits, which need no threshold of density."""
    solid = alpha >= OPAQUE
    shown = torch.where(solid, depth, torch.full_like(depth, far))
    return FlatnessScores(
        nfs=_effective_bins(shown, torch.ones_like(depth), near, far),
        nfs_fg=_effective_bins(shown, solid.float(), near, far),
    )


def flatness_3dgp(
    densities: Float[Tensor, "n h w s"], edges: Float[Tensor, "n h w s+1"], near: float, far: float
) -> Float[Tensor, " n"]:
    """The published non-flatness score (3DGP), from densities between depths along every ray.

    Densities below the median of all that is passed in are cut to 0, and depth is the sum of
    weight times depth, not divided by alpha: the score depends on what else is in the batch. It is
    here for comparison with published tables only.
    """
    kept = torch.where(densities < densities.median(), torch.zeros_like(densities), densities)
    optical = kept * edges.diff(dim=-1)
    before = optical.cumsum(dim=-1) - optical
    weights = torch.exp(-before) * -torch.expm1(-optical)
    depth = (weights * (edges[..., 1:] + edges[..., :-1]) / 2).sum(dim=-1)[:, None]
    return _effective_bins(depth, torch.ones_like(depth), near, far)


def _effective_bins(
    depth: Float[Tensor, "n 1 h w"], mask: Float[Tensor, "n 1 h w"], near: float, far: float
) -> Float[Tensor, " n"]:
    """Exponential of the entropy of a histogram of depths, clamped to near and far."""
    place = (depth.clamp(near, far) - near) / (far - near) * BINS
    index = place.long().clamp(max=BINS - 1).flatten(1)
    counts = depth.new_zeros(len(depth), BINS).scatter_add_(1, index, mask.flatten(1))
    share = counts / counts.sum(dim=1, keepdim=True)
    return torch.exp(-(share * (share + SMALLEST_SHARE).log()).sum(dim=1))
