"""Means of scores with intervals, and the objects that do worst."""

import math
from typing import cast

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from mimic3d.evaluation.views.table import metric_info
from mimic3d.metrics.bootstrap import BootstrapConfig, bootstrap_interval

COLUMNS = ["branch", "metric", "mean", "low", "high", "num"]


def summarize(samples: pd.DataFrame, cfg: BootstrapConfig) -> pd.DataFrame:
    """Mean of each metric of each branch, its interval over identities, and how many count.

    `num` identities could be scored; where none could, the rest is NaN. Rows keep the order in
    which branches and metrics first appear.
    """
    rows = []
    for (branch, metric), (values, identities) in _by_metric(samples).items():
        interval = bootstrap_interval(values, identities, cfg)
        num = len(np.unique(identities[np.isfinite(values)]))
        rows.append((branch, metric, interval.mean, interval.low, interval.high, num))
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def named_means(summary: pd.DataFrame) -> dict[str, float]:
    """The means by name, such as 3d/warp_psnr_at_0.2; none where nothing could be scored."""
    return {
        f"{row['branch']}/{row['metric']}": float(row["mean"])
        for row in summary.to_dict("records")
        if math.isfinite(row["mean"])
    }


def worst_identities(samples: pd.DataFrame, branch: str, metric: str, num: int) -> list[int]:
    """The identities that do worst, the worst first; those that could not be scored are left out.

    Raises:
        ValueError: nobody knows the metric, it has no better direction, or it was not taken.
    """
    better = metric_info(metric).better
    if better == "neither":
        raise ValueError(
            f"a gallery of worst cases needs a metric that is better high or low, {metric} is "
            f"neither; choose another"
        )
    taken = _by_metric(samples)
    if (branch, metric) not in taken:
        known = ", ".join(sorted(name for one, name in taken if one == branch)) or "none"
        raise ValueError(
            f"a gallery of worst cases needs a metric that was taken, {branch}/{metric} was not; "
            f"there are {known}"
        )
    values, identities = taken[branch, metric]
    badness = np.where(np.isnan(values), -np.inf, -values if better == "high" else values)
    order = np.lexsort((identities, -badness))
    return [int(identities[i]) for i in order[:num] if not math.isnan(values[i])]


def _by_metric(
    samples: pd.DataFrame,
) -> dict[tuple[str, str], tuple[Float64[np.ndarray, " n"], Int64[np.ndarray, " n"]]]:
    """Values and identities of every branch and metric, in the order of their appearance."""
    return {
        cast(tuple[str, str], key): (
            group["value"].to_numpy(np.float64),
            group["identity"].to_numpy(np.int64),
        )
        for key, group in samples.groupby(["branch", "metric"], sort=False)
    }
