"""Verdicts of the measurements on a claim."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from experiments.ablation.design import Claim
from experiments.ablation.intervals import over_seeds
from experiments.ablation.outcomes import Outcomes
from experiments.ablation.quantities import Quantity, find_quantity
from mimic3d.metrics.bootstrap import Interval

Verdict = Literal["agrees", "disagrees", "not decided", "not measured"]


@dataclass(frozen=True)
class Finding:
    """One claim by one metric."""

    claim: Claim
    quantity: Quantity
    advantage: Interval
    """Advantage of the better side, over pairs of equal seeds; negative if it is worse."""
    num_seeds: int
    verdict: Verdict


def judge(claim: Claim, outcomes: Outcomes) -> list[Finding]:
    """A finding per metric of the claim."""
    return [_judge(claim, find_quantity(metric), outcomes) for metric in claim.metrics]


def _judge(claim: Claim, quantity: Quantity, outcomes: Outcomes) -> Finding:
    """Finding by one metric, over pairs of seeds.

    Rows share seeds and whatever they have in common of a training, so seeds make pairs.
    """
    better, worse = (
        outcomes.table(side.branch, quantity.metric, side.row).mean(axis=0, skipna=True)
        for side in (claim.better, claim.worse)
    )
    difference = pd.Series(better - worse).dropna().to_numpy(np.float64)
    if not len(difference):
        return Finding(claim, quantity, Interval(np.nan, np.nan, np.nan), 0, "not measured")
    sign = 1 if quantity.better == "high" else -1
    advantage = over_seeds(sign * difference)
    return Finding(claim, quantity, advantage, len(difference), _verdict(advantage))


def _verdict(advantage: Interval) -> Verdict:
    """Verdict, decided if the whole interval lies on one side; that of one seed has no ends."""
    if advantage.low > 0:
        return "agrees"
    return "disagrees" if advantage.high < 0 else "not decided"
