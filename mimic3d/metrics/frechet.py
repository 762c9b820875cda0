"""Frechet distance of two sets of features as Gaussians: the formula of FID."""

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.metrics.features import FeatureStats

CHUNK_ROWS = 4096  # widened to float64 at once


def frechet_distance(real: FeatureStats, fake: FeatureStats) -> float:
    """Frechet distance of two Gaussians (Heusel et al. 2017, Eq. 6).

    The trace of sqrt(A B) is the nuclear norm of sqrt(A) sqrt(B): symmetric eigenproblems only, no
    imaginary part, and exact with fewer images than features.
    """
    a, b = real.covariance, fake.covariance
    overlap = torch.linalg.svdvals(_root(a) @ _root(b)).sum()
    gap = (real.mean - fake.mean).square().sum()
    return max(0.0, float(gap + a.trace() + b.trace() - 2 * overlap))


def frechet_of_features(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> float:
    """Frechet distance of two sets of features, at least two in each.

    With fewer images than features, the nuclear norm is that of a matrix of images by images, which
    is small and needs no covariance.
    """
    if max(len(real), len(fake)) >= real.shape[1]:
        return frechet_distance(feature_stats(real), feature_stats(fake))
    (a, mean_a), (b, mean_b) = _centered(real), _centered(fake)
    overlap = torch.linalg.svdvals(a @ b.T).sum()
    gap = (mean_a - mean_b).square().sum()
    return max(0.0, float(gap + a.square().sum() + b.square().sum() - 2 * overlap))


def feature_stats(features: Float[Tensor, "n d"]) -> FeatureStats:
    """Statistics of a set of features, in steps that bound memory."""
    stats = FeatureStats.empty(features.shape[1])
    for part in features.split(CHUNK_ROWS):
        stats = stats + FeatureStats.of(part)
    return stats


def _centered(features: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, " d"]]:
    """X with X^T X the unbiased covariance, and the mean."""
    wide = features.double().cpu()
    mean = wide.mean(dim=0)
    return (wide - mean) / (len(wide) - 1) ** 0.5, mean


def _root(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
