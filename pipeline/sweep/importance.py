"""Importance of each searched parameter: fANOVA (Hutter et al. 2014) over the trials of a sweep."""

import random
from collections.abc import Sequence

import optuna
import pandas as pd
from optuna.distributions import FloatDistribution

from pipeline.sweep.asha import goodness
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.search import distributions_of, encode
from pipeline.sweep.space import ChoiceDomain, Domain
from pipeline.sweep.sweep_store import SweepTrial

MIN_TRIALS = 6
"""Least number of trials; fewer say nothing."""
NOISE = "(random numbers)"
COLUMNS = ["parameter", "importance", "rank_correlation", "num_trials"]


def estimate_importance(plan: SweepPlan, trials: Sequence[SweepTrial]) -> pd.DataFrame:
    """A row per searched parameter, the most important first; none if there are too few trials.

    Trials are compared at the first rung, which all of them reached with the same budget, by the
    rank of their metric. `importance` is the parameter's share of the variance of ranks that
    Optuna's fANOVA assigns to single parameters, and sums to 1 whatever the trials are worth: what
    is not well above the row NOISE, a parameter of random numbers that no trial knew of, is noise.
    `rank_correlation` is Spearman's, positive where larger values are better. Random search and
    grid sample good trials no more densely than others; optuna does, which flatters parameters
    that it fixed early.
    """
    measured = [trial for trial in trials if 0 in trial.scores]
    goods = pd.Series([goodness(trial.scores[0], plan.mode) for trial in measured], dtype=float)
    if len(measured) < MIN_TRIALS or not plan.searched or goods.nunique() < 2:
        return pd.DataFrame(columns=COLUMNS)
    ranks = goods.rank()
    importance = _fanova(plan, measured, ranks)
    rows = [
        [key, share, _rank_correlation(plan, key, measured, ranks), len(measured)]
        for key, share in importance.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("importance", ascending=False)


def _fanova(plan: SweepPlan, trials: Sequence[SweepTrial], ranks: pd.Series) -> dict[str, float]:
    """Share by key, that of random numbers among them."""
    study = optuna.create_study()
    distributions = distributions_of(plan) | {NOISE: FloatDistribution(0.0, 1.0)}
    noise = random.Random(plan.seed)
    for trial, rank in zip(trials, ranks, strict=True):
        params = encode(plan, trial.values) | {NOISE: noise.random()}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=rank))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _rank_correlation(
    plan: SweepPlan, key: str, trials: Sequence[SweepTrial], ranks: pd.Series
) -> float:
    if key == NOISE or not is_ordered(plan.domains[key]):
        return float("nan")
    values = pd.Series([float(trial.values[key]) for trial in trials])
    return float(values.rank().corr(ranks))


def is_ordered(domain: Domain) -> bool:
    """True if its values are numbers, so that larger and smaller mean something."""
    return not isinstance(domain, ChoiceDomain) or all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in domain.values
    )
