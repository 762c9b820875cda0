"""Checks that everything a sweep may draw fits the typed parameters of its stages."""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.stage import load_config, require_stages, validate
from pipeline.sweep.plan import FILE, SweepPlan
from pipeline.sweep.project import PARAMS, build_project, write_params
from pipeline.sweep.space import draw_point

MIN_POINTS, MAX_POINTS = 32, 200
"""Whole trials that are tried; ends of ranges and choices are tried in any case."""


def check_plan(plan: SweepPlan, root: Path) -> None:
    """Tries the ends of every range, every choice, every budget, and then whole trials.

    Values of listed trials are tried together only, as they were written.

    Raises:
        ValueError: one line per mistake, with the full key.
    """
    require_stages(plan.stages, root)
    mistakes = [line for stage in plan.stages for line in _mistakes_of(stage, root)]
    if not mistakes:
        with tempfile.TemporaryDirectory() as folder:
            probe = _PlanProbe(Path(folder), root, plan)
            mistakes = list(probe.try_values()) or list(probe.try_points())
    if mistakes:
        raise ValueError("\n".join(dict.fromkeys(mistakes)))


class _PlanProbe:
    """A project folder in which values are tried."""

    def __init__(self, folder: Path, root: Path, plan: SweepPlan) -> None:
        self._folder, self._root, self._plan = folder, root, plan
        build_project(folder, root, plan.stages)

    def try_values(self) -> Iterator[str]:
        """Mistakes of a value by itself, whatever the others are; one line per parameter."""
        plan = self._plan
        values = {key: list(plan.domains[key].edges()) for key in plan.space}
        for key in plan.budget_keys:
            values[key] = [budget[key] for budget in plan.budgets]
        for key, edges in values.items():
            lines = (
                line for edge in edges for line in self._try({key: edge}, key.partition(".")[0])
            )
            yield from itertools.islice((line for line in lines if _names(line, key)), 1)

    def try_points(self) -> Iterator[str]:
        """Mistakes of whole trials, and of the inputs of their first stage."""
        plan, first = self._plan, self._plan.stages[0]
        count = max(MIN_POINTS, min(plan.num_trials or 0, MAX_POINTS))
        drawn = (draw_point(plan.domains, plan.seed, number) for number in range(count))
        is_known = plan.search in ("grid", "list")
        points = plan.points()[:MAX_POINTS] if is_known else drawn
        changing = {key.partition(".")[0] for key in plan.searched}
        for number, point in enumerate(points):
            for stage in plan.stages if number == 0 else changing:
                yield from self._try(point | plan.budgets[0], stage, is_thorough=stage == first)

    def _try(self, values: Mapping[str, Any], stage: str, is_thorough: bool = False) -> list[str]:
        write_params(self._folder, self._root, values)
        lines = _mistakes_of(stage, self._folder, is_thorough)
        here = (str(self._folder), str(self._root))
        return [line.replace(*here).replace(f"it in {PARAMS}", f"it in {FILE}") for line in lines]


def _mistakes_of(stage: str, root: Path, is_thorough: bool = False) -> list[str]:
    """Mistakes in the parameters of a stage; thorough: in its inputs, too."""
    try:
        if is_thorough:
            validate(stage, root)
        else:
            load_config(stage, root)
    except ValueError as error:
        return str(error).splitlines()
    return []


def _names(line: str, key: str) -> bool:
    """True if a complaint names this parameter, a group around it, or a part of it."""
    word = line.partition(" ")[0]
    return key == word or key.startswith(f"{word}.") or word.startswith(f"{key}.")
