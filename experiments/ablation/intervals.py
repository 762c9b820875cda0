"""Confidence intervals of a mean over a few trainings."""

import numpy as np
import pandas as pd
from jaxtyping import Float64
from scipy.stats import t as student  # MLflow brings it

from mimic3d.metrics.bootstrap import BootstrapConfig, Interval, bootstrap_interval

LEVEL = 0.95


def over_seeds(means: Float64[np.ndarray, " s"]) -> Interval:
    """Mean of trainings with different seeds, and the interval of the mean of all seeds (Student).

    A training is one piece of evidence however many objects are drawn from it: what differs
    between seeds contains what differs between draws of objects. To resample seeds, and objects
    within, covers the truth in 75 instead of 95 cases of 100 where there are three seeds. The ends
    are NaN with one seed.
    """
    mean = float(means.mean())
    if len(means) < 2:
        return Interval(mean, np.nan, np.nan)
    quantile = float(student.ppf((1 + LEVEL) / 2, len(means) - 1))
    half = quantile * float(means.std(ddof=1)) / len(means) ** 0.5
    return Interval(mean, mean - half, mean + half)


def seed_means(table: pd.DataFrame) -> Float64[np.ndarray, " s"]:
    """Means over identities that could be compared; seeds in which none could are left out."""
    means = table.mean(axis=0, skipna=True).to_numpy(np.float64)
    return means[np.isfinite(means)]


def estimate(table: pd.DataFrame) -> Interval:
    """Mean and interval of a table of identities and seeds.

    With one seed it is the interval of its objects alone, which says nothing about training.
    """
    means = seed_means(table)
    if len(means) == 0:
        return Interval(np.nan, np.nan, np.nan)
    if len(means) > 1 or len(table) == 1:
        return over_seeds(means)
    values = table.to_numpy(np.float64).ravel()
    return bootstrap_interval(values, np.arange(len(values)), BootstrapConfig(level=LEVEL))
