"""Values of the next trial: known beforehand (random, grid, list), or proposed by Optuna's TPE."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from pipeline.sweep.asha import DIRECTIONS
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.space import ChoiceDomain, Domain


class TrialSearcher:
    """Gives values to new trials.

    Those of a trial depend on its number, the seed and, with TPE, on the trials before it: a sweep
    that is resumed goes on as if it had never stopped.
    """

    def __init__(self, plan: SweepPlan) -> None:
        self._plan = plan
        self._points = None if plan.search == "optuna" else plan.points()

    def propose(self, number: int, known: Sequence[FrozenTrial]) -> dict[str, Any]:
        """The values of a new trial after those that are known."""
        if self._points is not None:
            return self._points[number]
        asked = self._ask_tpe(number, known)
        return {
            key: _decode(domain, asked[key]) if key in asked else domain.edges()[0]
            for key, domain in self._plan.domains.items()
        }

    def _ask_tpe(self, number: int, known: Sequence[FrozenTrial]) -> dict[str, Any]:
        """Optuna's tree-structured Parzen estimator, in a study of its own that ends here."""
        sampler = optuna.samplers.TPESampler(seed=self._plan.seed + number)
        study = optuna.create_study(direction=DIRECTIONS[self._plan.mode], sampler=sampler)
        study.add_trials([trial for trial in known if trial.state != TrialState.FAIL])
        return study.ask(distributions_of(self._plan)).params


def distributions_of(plan: SweepPlan) -> dict[str, BaseDistribution]:
    """Domains of searched parameters for Optuna, which sees a choice as a place in its list."""
    return {key: _distribution(plan.domains[key]) for key in plan.searched}


def encode(plan: SweepPlan, values: Mapping[str, Any]) -> dict[str, Any]:
    """The searched values of a trial, for Optuna."""
    return {key: _encode(plan.domains[key], values[key]) for key in plan.searched}


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, ChoiceDomain):
        return CategoricalDistribution(range(len(domain.values)))
    if domain.is_whole:
        step = 1 if domain.is_log else int(domain.step or 1)
        return IntDistribution(int(domain.low), int(domain.high), domain.is_log, step)
    return FloatDistribution(domain.low, domain.high, domain.is_log)


def _decode(domain: Domain, code: Any) -> Any:
    return domain.values[code] if isinstance(domain, ChoiceDomain) else domain.snap(code)


def _encode(domain: Domain, value: Any) -> Any:
    return domain.values.index(value) if isinstance(domain, ChoiceDomain) else value
