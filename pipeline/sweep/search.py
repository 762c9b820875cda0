"""Which values a trial gets: drawn, from a grid, or proposed by Optuna."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.sweep.history import History
from pipeline.sweep.plan import Plan
from pipeline.sweep.space import Choice, Domain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

INSTALL = "pip install 'mimic3d-open[sweep]'"


class Search(Protocol):
    """Gives values to new trials."""

    def propose(self, number: int) -> dict[str, Any]:
        """The values of a new trial."""
        ...

    def learn(self, number: int, values: Mapping[str, Any], history: History) -> None:
        """Hears what became of a trial that ended."""
        ...


def build_search(plan: Plan, num_known: int) -> Search:
    """The search of a plan; `num_known` trials were proposed before."""
    return OptunaSearch(plan, num_known) if plan.search == "optuna" else ListedSearch(plan)


class ListedSearch:
    """Values that are known beforehand."""

    def __init__(self, plan: Plan) -> None:
        self._points = plan.points()

    def propose(self, number: int) -> dict[str, Any]:
        """The point of this number."""
        return self._points[number]

    def learn(self, number: int, values: Mapping[str, Any], history: History) -> None:
        """Learns nothing."""


class OptunaSearch:
    """Optuna's tree-structured Parzen estimator; stopped trials count as pruned."""

    def __init__(self, plan: Plan, num_known: int) -> None:
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=plan.seed + num_known)  # no draw comes twice
        direction = "minimize" if plan.mode == "min" else "maximize"
        self._study = optuna.create_study(direction=direction, sampler=sampler)
        self._plan = plan
        self._distributions = {key: _distribution(plan.domains[key]) for key in plan.searched}

    def propose(self, number: int) -> dict[str, Any]:
        """What looks best after all that was learnt."""
        asked = self._study.ask(self._distributions).params
        return {
            key: _value(domain, asked[key]) if key in asked else domain.edges()[0]
            for key, domain in self._plan.domains.items()
        }

    def learn(self, number: int, values: Mapping[str, Any], history: History) -> None:
        """Adds the trial to those that the next proposal knows of."""
        if math.isfinite(history.score):
            self._study.add_trial(self._past_trial(values, history))

    def _past_trial(self, values: Mapping[str, Any], history: History) -> "FrozenTrial":
        from optuna.trial import TrialState, create_trial

        is_whole = history.rung == self._plan.num_rungs - 1
        domains = self._plan.domains
        return create_trial(
            params={key: _code(domains[key], values[key]) for key in self._distributions},
            distributions=self._distributions,
            state=TrialState.COMPLETE if is_whole else TrialState.PRUNED,
            value=history.score if is_whole else None,
            intermediate_values={
                rung: score for rung, score in history.scores.items() if math.isfinite(score)
            },
        )


def require_optuna() -> None:
    """Makes sure that Optuna is there.

    Raises:
        ValueError: it is not.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ValueError(
            f"`search: optuna` in sweep.yaml needs the package optuna, which is not installed; "
            f"{INSTALL}, or use `search: random`"
        ) from None


def _distribution(domain: Domain) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choice):
        return CategoricalDistribution(range(len(domain.values)))
    if domain.is_whole:
        step = 1 if domain.is_log else int(domain.step or 1)
        return IntDistribution(int(domain.low), int(domain.high), domain.is_log, step)
    return FloatDistribution(domain.low, domain.high, domain.is_log)


def _value(domain: Domain, code: Any) -> Any:
    return domain.values[code] if isinstance(domain, Choice) else domain.snap(code)


def _code(domain: Domain, value: Any) -> Any:
    return domain.values.index(value) if isinstance(domain, Choice) else value
