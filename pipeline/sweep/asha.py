"""Which trials go on: asynchronous successive halving (ASHA; Li et al. 2020, the stopping rule)."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Mode = Literal["min", "max"]


class Section(BaseModel):
    """A group of sweep.yaml, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Budgets = Annotated[list[PositiveInt | PositiveFloat], Field(min_length=2)]


class Asha(Section):
    """Early stopping by asynchronous successive halving: at every rung only the best go on."""

    budgets: dict[str, Budgets] | None = None
    """One parameter, such as pretrain.loop.total_kimg, and its rising values, one per rung: the
    stages run with each in turn, and go on from the state of the one before."""
    nimg: Annotated[list[PositiveInt], Field(min_length=1)] | None = None
    """Instead: the metric as reported while its stage trains, at these numbers of images."""
    reduction_factor: int = Field(3, ge=2)
    """One in this many trials passes a rung."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "Asha":
        if (self.budgets is None) == (self.nimg is None):
            raise ValueError("asha must have one of budgets and nimg; leave out the other")
        if self.budgets is not None and len(self.budgets) != 1:
            raise ValueError("asha.budgets must name one parameter; set others in space")
        for name, rungs in (*(self.budgets or {}).items(), ("nimg", self.nimg or [])):
            if list(rungs) != sorted(set(rungs)):
                raise ValueError(f"asha: {name} must rise, is {rungs}; sort it")
        return self


class Rungs:
    """Metrics of all trials at every rung.

    Kept by trial, so that a trial that reports a rung again, after its process died, counts once.
    """

    def __init__(self, num_rungs: int, reduction_factor: int, mode: Mode) -> None:
        self._last = num_rungs - 1
        self._share = 1 - 1 / reduction_factor
        self._mode: Mode = mode
        self._values: dict[int, dict[int, float]] = {}

    def add(self, trial: int, rung: int, score: float) -> None:
        """Keeps the metric of a trial."""
        self._values.setdefault(rung, {})[trial] = goodness(score, self._mode)

    def keeps(self, trial: int, rung: int, score: float) -> bool:
        """Keeps the metric of a trial, and tells whether the trial may go on.

        It may if it is among the best 1 / reduction_factor of those that came to this rung so far;
        at the last rung there is nothing to decide.
        """
        others = [value for each, value in self._values.get(rung, {}).items() if each != trial]
        self.add(trial, rung, score)
        mine = self._values[rung][trial]
        if rung >= self._last:
            return True
        if not math.isfinite(mine):
            return False
        return not others or mine >= quantile(others, self._share)


def goodness(score: float, mode: Mode) -> float:
    """A number that is larger for better scores, and minus infinity for what is no number."""
    if not math.isfinite(score):
        return -math.inf
    return -score if mode == "min" else score


def quantile(values: list[float], share: float) -> float:
    """The value below which this share lies, between two neighbours in proportion."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.quantile(finite, share)) if finite else -math.inf
