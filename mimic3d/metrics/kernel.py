"""Kernel distance of two sets of features: the formula of KID, with its uncertainty."""

from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt
from torch import Tensor

from mimic3d.config import Config
from mimic3d.metrics.bootstrap import Interval

MIN_IMAGES = 8  # in each set: four subsets of two


class KernelConfig(Config):
    """Subsets of the kernel distance; its expected value is the same for all of them."""

    subset_size: int = Field(default=1000, ge=2)
    """Images of each set in one subset, at most (Binkowski et al. 2018)."""
    min_subsets: int = Field(default=10, ge=4)
    """Least number of subsets: small sets have smaller ones rather than fewer."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Confidence of the interval."""
    seed: NonNegativeInt = 0
    """Seed of the division into subsets."""


def kernel_distance(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], cfg: KernelConfig
) -> Interval:
    """Squared maximum mean discrepancy (x.y / d + 1)^3, unbiased, and its interval (KID).

    Mean over disjoint subsets. Unlike the hundred overlapping subsets of published code, which have
    the same expected value, they are independent of each other, so that their spread tells how sure
    the mean is (Student's t). Around the true value of 0 it may be negative.

    Raises:
        ValueError: a set has fewer than 8 images.
    """
    num = min(len(real), len(fake))
    if num < MIN_IMAGES:
        raise ValueError(
            f"a kernel distance needs at least {MIN_IMAGES} images in each set, has {len(real)} "
            f"and {len(fake)}; compare more"
        )
    size = max(2, min(cfg.subset_size, num // cfg.min_subsets))
    sets = [_shuffled(features, [cfg.seed, which]) for which, features in enumerate((real, fake))]
    distances = torch.stack(
        [
            _discrepancy(*(features[first : first + size].double() for features in sets))
            for first in range(0, num - size + 1, size)
        ]
    )
    mean, error = float(distances.mean()), float(distances.std()) / len(distances) ** 0.5
    reach = student_quantile((1 + cfg.level) / 2, len(distances) - 1) * error
    return Interval(mean, mean - reach, mean + reach)


def student_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's t, to 1 % from 3 degrees of freedom (Abramowitz and Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def _shuffled(features: Float[Tensor, "n d"], seed: list[int]) -> Float[Tensor, "n d"]:
    """Features in random order: a photo and its mirrored copy, neighbours in their set, part."""
    order = np.random.RandomState(seed).permutation(len(features))
    return features[torch.from_numpy(order).to(features.device)]


def _discrepancy(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Unbiased estimate from as many samples each: a sample is not compared with itself."""
    num = len(x)
    within = sum(k.sum() - k.diagonal().sum() for k in (_kernel(x, x), _kernel(y, y)))
    return within / (num * (num - 1)) - 2 * _kernel(x, y).mean()


def _kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    return (x @ y.T / x.shape[1] + 1) ** 3
