"""Bootstrap intervals of a mean over identities."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from pydantic import Field, NonNegativeInt, PositiveInt

from mimic3d.config import Config

CHUNK = 2**22  # drawn indices held at once; bounds memory


class BootstrapConfig(Config):
    """Intervals by resampling identities (Efron 1979, percentiles)."""

    num_resamples: PositiveInt = 2000
    """Number of drawn sets of identities."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Share of the resampled means that lie inside the interval."""
    seed: NonNegativeInt = 0
    """Seed of the draws."""


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence limits; all NaN where nothing could be scored."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: Float64[np.ndarray, " n"], identities: Int64[np.ndarray, " n"], cfg: BootstrapConfig
) -> Interval:
    """Mean of all finite values and its interval over identities.

    An identity is drawn with all of its values, since views of one object are no independent
    evidence. Values that are NaN, where nothing could be compared, are left out.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return Interval(np.nan, np.nan, np.nan)
    _, member = np.unique(identities[finite], return_inverse=True)
    totals = np.bincount(member, weights=values[finite])
    counts = np.bincount(member)
    rng, num = np.random.default_rng(cfg.seed), len(totals)
    means, rows = [], max(1, CHUNK // num)
    for first in range(0, cfg.num_resamples, rows):
        drawn = rng.integers(num, size=(min(rows, cfg.num_resamples - first), num))
        means.append(totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    tail = (1 - cfg.level) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return Interval(float(totals.sum() / counts.sum()), float(low), float(high))
