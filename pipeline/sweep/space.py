"""Domain of a searched parameter: its values, the ends of its range, a draw from it."""

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DIGITS = 6
"""Significant digits of a drawn number, so that it survives YAML and the command line unchanged."""

STRATA = 8
"""Trials that together cover a range evenly."""

FORMS = {
    "uniform": "[low, high]",
    "loguniform": "[low, high]",
    "quniform": "[low, high, step]",
    "qloguniform": "[low, high, step]",
    "randint": "[low, high], both included",
    "lograndint": "[low, high], both included",
    "qrandint": "[low, high, step]",
    "choice": "[value, ...]",
    "grid": "[value, ...]",
}


@dataclass(frozen=True)
class ChoiceDomain:
    """One of a few values of any type."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """The value this share of the way through them."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def edges(self) -> tuple[Any, ...]:
        """All values: each has to be valid."""
        return self.values


@dataclass(frozen=True)
class RangeDomain:
    """A number between two ends, both included; in steps from the lower end if there are steps."""

    low: float
    high: float
    step: float | None = None
    is_log: bool = False
    is_whole: bool = False

    def at(self, share: float) -> float:
        """The value this share of the way through the range, or through its logarithm."""
        if self.is_log:
            value = math.exp((1 - share) * math.log(self.low) + share * math.log(self.high))
        elif self.step:
            value = self.low + int(share * self.num_steps) * self.step
        else:
            value = (1 - share) * self.low + share * self.high
        return self.snap(value)

    def snap(self, value: float) -> float:
        """The nearest value that can be drawn."""
        if self.step:
            steps = min(max(round((value - self.low) / self.step), 0), self.num_steps - 1)
            value = self.low + steps * self.step
        if self.is_whole:
            return min(max(round(value), int(self.low)), int(self.high))
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    @property
    def num_steps(self) -> int:
        """Number of values of a range in steps."""
        assert self.step
        return 1 + math.floor((self.high - self.low) / self.step + 1e-9)

    def edges(self) -> tuple[float, ...]:
        """The lowest and the highest value that can be drawn."""
        return (self.snap(self.low), self.snap(self.high))


Domain = ChoiceDomain | RangeDomain


def parse_domain(key: str, written: Any) -> Domain:
    """A parameter as written in the file: a value that stays, or `{form: [...]}`.

    Raises:
        ValueError: it is neither, or its numbers make no range.
    """
    if not isinstance(written, dict):
        return ChoiceDomain((written,))
    (form, numbers), *more = written.items() or [("", None)]
    is_list = isinstance(numbers, list) and not any(isinstance(each, dict) for each in numbers)
    if form not in FORMS or more or not is_list or not numbers:
        forms = ", ".join(f"{{{name}: {shape}}}" for name, shape in FORMS.items())
        raise ValueError(
            f"space.{key} must be a value or one of {forms}, is {written}; parameters of a group "
            f"are written one by one, by their full keys"
        )
    if form in ("choice", "grid"):
        return ChoiceDomain(tuple(numbers))
    return _parse_range(f"space.{key}.{form}", form, numbers)


def _parse_range(name: str, form: str, numbers: list[Any]) -> RangeDomain:
    is_log, is_whole = "log" in form, "randint" in form
    count = 3 if form.startswith("q") else 2
    kinds = (int,) if is_whole else (int, float)
    if len(numbers) != count or any(type(number) not in kinds for number in numbers):
        kind = "whole numbers" if is_whole else "numbers"
        raise ValueError(f"{name} must be {count} {kind}, {FORMS[form]}, is {numbers}")
    low, high, *steps = numbers
    if not low < high or (is_log and low <= 0):
        rule = "0 < low < high" if is_log else "low < high"
        raise ValueError(f"{name} must have {rule}, is {numbers}; change the ends")
    step = steps[0] if steps else (1 if is_whole else None)
    if step is not None and not 0 < step <= high - low:
        raise ValueError(f"{name} must have a step between 0 and high - low, is {numbers}")
    return RangeDomain(low, high, step, is_log, is_whole)


def draw_point(space: Mapping[str, Domain], seed: int, number: int) -> dict[str, Any]:
    """The values of one trial of a random search.

    Each is drawn by seed, number and key alone: more trials or parameters change no other draw.
    """
    return {key: domain.at(_draw_share(seed, number, key)) for key, domain in space.items()}


def _draw_share(seed: int, number: int, key: str) -> float:
    """Uniform share in [0, 1), spread: of every STRATA trials, one lies in each of as many parts.

    Between parameters nothing but chance pairs the parts (Latin hypercube; McKay et al. 1979).
    """
    block, place = divmod(number, STRATA)
    parts = random.Random(f"{seed}/{block}/{key}/parts").sample(range(STRATA), STRATA)
    return (parts[place] + random.Random(f"{seed}/{number}/{key}").random()) / STRATA


def grid_points(space: Mapping[str, Domain]) -> list[dict[str, Any]]:
    """All combinations of the values; the last parameter varies fastest."""
    assert all(isinstance(domain, ChoiceDomain) for domain in space.values())
    rows = itertools.product(*(domain.edges() for domain in space.values()))
    return [dict(zip(space, row, strict=True)) for row in rows]
