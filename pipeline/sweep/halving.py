"""Which trials go on: asynchronous successive halving (ASHA; Li et al. 2020, the stopping rule)."""

import math
from typing import Literal

import numpy as np

Mode = Literal["min", "max"]


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
