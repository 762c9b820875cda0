"""sweep.yaml: which stages a trial runs, what is searched, by which metric, for how long."""

import functools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from mimic3d.content_hash import text_hash
from pipeline.sweep.asha import AshaConfig, SweepSection
from pipeline.sweep.space import ChoiceDomain, Domain, draw_point, grid_points, parse_domain
from pipeline.yaml_file import explain, load_yaml

FILE = "sweep.yaml"
MAX_GRID = 10_000
CHANGING: Any = {
    "num_trials": True,
    "trials": True,
    "labels": True,
    "concurrent": True,
    "minutes": True,
    "asha": {"budgets"},
}
"""Fields that may change while a sweep stays the same: a longer list of trials continues it."""


class SweepPlan(SweepSection):
    """Content of sweep.yaml."""

    stages: Annotated[list[str], Field(min_length=1)]
    """Stages of a trial, in order; the results of earlier stages are those of the project."""
    metric: str = Field(pattern=r"^\w+/.+$")
    """Stage and name of a metric that it reports, such as evaluate/2d/fd_random_conv."""
    mode: Literal["min", "max"] = "min"
    """Better end of the metric: small or large values."""
    search: Literal["random", "grid", "list", "optuna"] = "random"
    """Choice of values; grid tries all combinations, list those of `trials`, optuna learns from
    earlier trials."""
    num_trials: PositiveInt | None = None
    """Trials in all; a larger number continues a finished sweep. Not used with grid and list."""
    trials: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    """Parameters of each trial by their full keys with `search: list`, the same keys in all;
    further ones at the end continue a finished sweep."""
    labels: list[str] | None = None
    """Names of the listed trials, for people; null shows their values instead."""
    seed: NonNegativeInt = 0
    """Seed of the draws; it is not the seed of a training."""
    concurrent: PositiveInt | None = None
    """Trials at a time, at most; on this machine they share its cores. Null: as many as the rows of
    cluster.yaml leave room for, where a row without resources takes all of this machine."""
    minutes: PositiveFloat | None = None
    """Time limit, counted from every start; trials that were cut off go on at the next."""
    asha: AshaConfig | None = None
    """Early stopping; null: every trial runs to its end."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Parameters by their full keys: a value that stays, or `{form: [...]}` to be searched."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SweepPlan":
        if len(set(self.stages)) != len(self.stages):
            raise ValueError(f"stages must name each stage once, is {self.stages}")
        _require_stage("metric", self.metric_stage, self.stages)
        self._check_trials()
        places = (*self.space, *self.listed_keys, *self.budget_keys)
        for key in dict.fromkeys(places):
            _require_stage(f"the parameter {key}", key.partition(".")[0], self.stages)
            above = [other for other in places if key.startswith(f"{other}.")]
            if above or places.count(key) > 1:
                raise ValueError(
                    f"{key} must be set in one place, {(above or [key])[0]} is another"
                )
        if not self.space and not self.trials:
            raise ValueError("space must have at least one parameter, is empty")
        if (self.search in ("grid", "list")) == (self.num_trials is not None):
            raise ValueError(
                "num_trials must be given, but not with `search: grid`, which tries everything, "
                "nor with `search: list`, which tries what is listed"
            )
        for key in self.space:
            self._check_form(key, self.domains[key])
        if self.search == "grid" and len(self.points()) > MAX_GRID:
            raise ValueError(f"the grid must have at most {MAX_GRID} points; use `search: random`")
        return self

    def _check_trials(self) -> None:
        if (self.search == "list") != (self.trials is not None):
            raise ValueError(
                "trials must be given with `search: list`, and with no other; say `search: list`, "
                "or write the parameters to space"
            )
        if self.labels is not None and len(self.labels) != len(self.trials or []):
            raise ValueError(
                f"labels must be one per trial of trials = {len(self.trials or [])}, are "
                f"{len(self.labels)}; leave them out, or name each"
            )
        for number, values in enumerate(self.trials or []):
            odd = set(self.listed_keys) ^ values.keys()
            if odd:
                raise ValueError(
                    f"trials must all set the same parameters, trial {number} and trial 0 differ "
                    f"in {', '.join(sorted(odd))}; set it in both"
                )

    def _check_form(self, key: str, domain: Domain) -> None:
        written = self.space[key]
        if self.search == "list" and isinstance(written, dict):
            raise ValueError(
                f"space.{key} must be a value that stays with `search: list`, is {written}; "
                f"write it to trials"
            )
        is_grid = isinstance(written, dict) and "grid" in written
        if self.search == "grid" and not isinstance(domain, ChoiceDomain):
            raise ValueError(
                f"space.{key} must be {{grid: [...]}} with `search: grid`, is {written}"
            )
        if self.search != "grid" and is_grid:
            raise ValueError(f"space.{key} must be a choice unless `search: grid`, is {written}")

    @functools.cached_property
    def domains(self) -> dict[str, Domain]:
        """Domain of every parameter of the space, or its values in the listed trials."""
        return {key: parse_domain(key, written) for key, written in self.space.items()} | {
            key: _distinct([values[key] for values in self.trials or []])
            for key in self.listed_keys
        }

    @property
    def listed_keys(self) -> list[str]:
        """Parameters of the listed trials."""
        return list(self.trials[0]) if self.trials else []

    @property
    def searched(self) -> list[str]:
        """Keys of the parameters that differ between trials."""
        return [key for key, domain in self.domains.items() if len(domain.edges()) > 1]

    @property
    def metric_stage(self) -> str:
        """The stage that reports the metric."""
        return self.metric.partition("/")[0]

    @property
    def metric_name(self) -> str:
        """The metric as its stage names it."""
        return self.metric.partition("/")[2]

    @property
    def budget_keys(self) -> list[str]:
        """The parameter whose value rises from rung to rung, if there is one."""
        return list((self.asha.budgets if self.asha else None) or {})

    @property
    def budgets(self) -> list[dict[str, float]]:
        """Values set at every rung; with no rising parameter there is one, and it sets nothing."""
        if not self.asha or not self.asha.budgets:
            return [{}]
        ((key, values),) = self.asha.budgets.items()
        return [{key: value} for value in values]

    @property
    def budget_values(self) -> list[float]:
        """The values of that parameter, rung by rung."""
        return [value for budget in self.budgets for value in budget.values()]

    @property
    def thresholds(self) -> list[int]:
        """Numbers of images at which a running stage is judged."""
        return list((self.asha.nimg if self.asha else None) or [])

    @property
    def num_rungs(self) -> int:
        """Number of times that a trial which is never stopped is judged, the last at its end."""
        return len(self.budgets) + len(self.thresholds)

    @property
    def total(self) -> int:
        """Number of trials in all."""
        return self.num_trials or len(self.points())

    def points(self) -> list[dict[str, Any]]:
        """Values of all trials of a grid or a list; else what a random search draws."""
        if self.trials:
            return [self.space | values for values in self.trials]
        if self.search == "grid":
            return grid_points(self.domains)
        assert self.num_trials
        return [draw_point(self.domains, self.seed, number) for number in range(self.num_trials)]

    def content_hash(self) -> str:
        """Identity of a sweep: without the number of trials and the time."""
        content = self.model_dump(mode="json", exclude=CHANGING) | {"budgets": self.budget_keys}
        return text_hash(json.dumps(content, sort_keys=True))


def _distinct(values: list[Any]) -> ChoiceDomain:
    """Each of the values once, in the order of their appearance."""
    return ChoiceDomain(tuple({repr(value): value for value in values}.values()))


def _require_stage(subject: str, stage: str, stages: list[str]) -> None:
    if stage not in stages:
        raise ValueError(
            f"{subject} must belong to one of stages = {', '.join(stages)}, is of {stage}"
        )


def load_plan(path: Path) -> SweepPlan:
    """The plan in a file.

    Raises:
        ValueError: one line per mistake, with the key.
    """
    content = load_yaml(path, "see the one in git")
    try:
        return SweepPlan.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise explain(error, SweepPlan, path.name, noun=f"key of {path.name}") from None
