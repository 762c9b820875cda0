"""How much each searched parameter matters: our own estimate, from the trials of one sweep."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.sweep.asha import goodness
from pipeline.sweep.ledger import Trial
from pipeline.sweep.plan import Plan
from pipeline.sweep.space import Choice, Domain

MIN_TRIALS = 6
"""Fewer say nothing."""
NUM_TREES = 300

COLUMNS = ["parameter", "rank_correlation", "importance", "r2_out_of_bag", "num_trials"]


def estimate_importance(plan: Plan, trials: Sequence[Trial]) -> pd.DataFrame:
    """A row per searched parameter, the most important first; none if there are too few trials.

    Trials are compared at the first rung, which all of them reached with the same budget, by the
    rank of their metric. `rank_correlation` is Spearman's, positive where larger values are better.
    `importance` is the parameter's share of the variance that a random forest explains;
    `r2_out_of_bag` tells how much that is of the whole, on trials that a tree has not seen: near 0
    or below, the importances are noise. Good trials are not sampled more densely than others by
    random search and grid; with optuna they are, which flatters parameters that it fixed early.
    """
    known = [trial for trial in trials if 0 in trial.history.scores]
    keys = plan.searched
    if len(known) < MIN_TRIALS or not keys:
        return pd.DataFrame(columns=COLUMNS)
    scores = [goodness(trial.history.scores[0], plan.mode) for trial in known]
    ranks = pd.Series(scores).rank().to_numpy()
    features = {key: _features(plan.domains[key], [t.values[key] for t in known]) for key in keys}
    shares, fit = _explain(features, ranks)
    rows = [
        [key, _correlate(plan.domains[key], features[key], ranks), shares[key], fit, len(known)]
        for key in keys
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("importance", ascending=False)


def position(domain: Domain, value: float) -> float:
    """Where a value lies in its domain: 0 at the lower end, 1 at the upper."""
    if isinstance(domain, Choice):
        return domain.values.index(value) / max(1, len(domain.values) - 1)
    ends = np.array([domain.low, domain.high, value], dtype=float)
    low, high, at = np.log(ends) if domain.is_log else ends
    return float((at - low) / (high - low))


def is_ordered(domain: Domain) -> bool:
    """Whether its values are numbers, so that larger and smaller mean something."""
    return not isinstance(domain, Choice) or all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in domain.values
    )


def _features(domain: Domain, values: list[float]) -> np.ndarray:
    """Columns for the forest: the position of a number, or one column per choice."""
    if isinstance(domain, Choice):
        codes = np.array([domain.values.index(value) for value in values])
        return np.eye(len(domain.values))[codes]
    return np.array([[position(domain, value)] for value in values])


def _correlate(domain: Domain, features: np.ndarray, ranks: np.ndarray) -> float:
    if not is_ordered(domain):
        return float("nan")
    if isinstance(domain, Choice):
        numbers = features @ np.array(domain.values, dtype=float)
    else:
        numbers = features[:, 0]
    table = pd.DataFrame({"value": numbers, "rank": ranks}).rank()
    return float(table.corr().loc["value", "rank"])  # pyright: ignore[reportArgumentType]


def _explain(features: dict[str, np.ndarray], ranks: np.ndarray) -> tuple[dict[str, float], float]:
    """Share of each parameter in what a forest explains, and its R2 on what it has not seen."""
    from sklearn.ensemble import RandomForestRegressor  # MLflow brings it

    columns = np.concatenate(list(features.values()), axis=1)
    forest = RandomForestRegressor(NUM_TREES, oob_score=True, random_state=0)
    forest.fit(columns, ranks)
    splits = np.cumsum([block.shape[1] for block in features.values()])[:-1]
    parts = np.split(forest.feature_importances_, splits)
    return {key: float(part.sum()) for key, part in zip(features, parts, strict=True)}, float(
        forest.oob_score_
    )
