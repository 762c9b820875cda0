"""Weights that make rare poses count more: drawn more often, without copies on disk."""

import numpy as np
from jaxtyping import Float32, Float64
from pydantic import Field, PositiveInt

from mimic3d.config import Config


class RebalanceConfig(Config):
    """Weights of rare yaws: (n_max / n_bin)^strength, at most max_weight."""

    strength: float = Field(default=0, ge=0, le=1)
    """Exponent of the weights. 0: every image counts the same, as in the paper; 1: every bin of
    yaws counts the same; EG3D's rebalanced FFHQ lies between."""
    num_bins: PositiveInt = 9
    """Equal arcs of yaw between the least and the greatest (EG3D)."""
    max_weight: float = Field(default=16, ge=1)
    """Greatest weight, of the rarest images (EG3D)."""


def pose_weights(
    yaw_rad: Float64[np.ndarray, " n"], mirror: bool, cfg: RebalanceConfig
) -> Float32[np.ndarray, " n"]:
    """The weight of every image by the number of images in its bin of yaws.

    Mirrored copies count too: an image and its mirror image have one weight, so with them the bins
    are those of yaws of both signs.
    """
    if cfg.strength == 0:
        return np.ones(len(yaw_rad), dtype=np.float32)
    yaws = np.concatenate([yaw_rad, -yaw_rad]) if mirror else yaw_rad
    counts, edges = np.histogram(yaws, bins=cfg.num_bins)
    bins = np.clip(np.searchsorted(edges, yaw_rad, side="right") - 1, 0, cfg.num_bins - 1)
    weights = (counts.max() / np.maximum(counts[bins], 1)) ** cfg.strength
    return np.minimum(weights, cfg.max_weight).astype(np.float32)


def effective_number(weights: Float32[np.ndarray, " n"]) -> float:
    """Effective sample size (Kish), equally weighted images that vary as much: all if all equal."""
    exact = weights.astype(np.float64)
    return float(exact.sum() ** 2 / np.square(exact).sum())
