"""Early stopping of trials: asynchronous successive halving (ASHA; Li et al. 2020)."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from mimic3d.config import Config

Mode = Literal["min", "max"]
DIRECTIONS: dict[Mode, Literal["minimize", "maximize"]] = {"min": "minimize", "max": "maximize"}
"""Directions in Optuna's words."""


class SweepSection(Config):
    """A group of sweep.yaml, unknown keys refused."""

    model_config = ConfigDict(strict=True)


Budgets = Annotated[list[PositiveInt | PositiveFloat], Field(min_length=2)]


class AshaConfig(SweepSection):
    """Early stopping by asynchronous successive halving: at every rung only the best go on."""

    budgets: dict[str, Budgets] | None = None
    """One parameter, such as pretrain.loop.total_kimg, and its rising values, one per rung: the
    stages run with each in turn, and go on from the state of the one before."""
    nimg: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    """Numbers of images at which, instead, the metric counts as reported while its stage trains."""
    reduction_factor: int = Field(3, ge=2)
    """Number of trials at a rung of which one passes."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "AshaConfig":
        if (self.budgets is None) == (self.nimg is None):
            raise ValueError("asha must have one of budgets and nimg; leave out the other")
        if self.budgets is not None and len(self.budgets) != 1:
            raise ValueError("asha.budgets must name one parameter; set others in space")
        for name, rungs in (*(self.budgets or {}).items(), ("nimg", self.nimg or [])):
            if list(rungs) != sorted(set(rungs)):
                raise ValueError(f"asha: {name} must rise, is {rungs}; sort it")
        return self


def should_continue(
    scores: Mapping[int, float], number: int, reduction_factor: int, mode: Mode
) -> bool:
    """True if a trial is among the best 1 / reduction_factor of those that came to a rung so far.

    `scores` is the metric at this rung, of that trial and of the others, by number. The rule is
    that of Optuna's SuccessiveHalvingPruner. It is asked in a study of this one rung, because in
    the study of the sweep it takes a decision once only: one that was lost with a killed process
    would not be taken again, nor one about a last rung that a further budget makes last but one.
    """
    if not math.isfinite(scores[number]):
        return False
    import optuna

    pruner = optuna.pruners.SuccessiveHalvingPruner(1, reduction_factor)
    study = optuna.create_study(direction=DIRECTIONS[mode], pruner=pruner)
    others = [score for each, score in scores.items() if each != number and math.isfinite(score)]
    is_pruned = False
    for score in (*others, scores[number]):
        trial = study.ask()
        trial.report(score, step=1)
        is_pruned = trial.should_prune()
    return not is_pruned


def goodness(score: float, mode: Mode) -> float:
    """A number that is larger for better scores, and minus infinity for what is no number."""
    if not math.isfinite(score):
        return -math.inf
    return -score if mode == "min" else score
