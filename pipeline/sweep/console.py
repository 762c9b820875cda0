"""The sweep on the terminal: a line per trial that ended, a bar, now and then a table."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.sweep.asha import goodness
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import SweepTrial
from pipeline.tracking.tracker import RelayTracker

TABLE_ROWS = 10
"""The best trials; those that run are shown in any case."""

TABLE_SECONDS, TABLE_SHARE = 60.0, 0.1
"""Time from one table to the next, at least, in seconds or as a share of the time so far."""


class SweepConsole:
    """Shows how a sweep goes."""

    def __init__(self, plan: SweepPlan) -> None:
        self._plan = plan
        self._relay = RelayTracker()
        self._start = time.monotonic()
        self._table_at = self._start + TABLE_SECONDS

    def show_end(self, trial: SweepTrial) -> None:
        """Shows a line for a trial that ended."""
        plan, values = self._plan, describe_values(self._plan, trial.values, trial.number)
        if plan.labels is None:
            pairs = zip(plan.searched, values, strict=True)
            values = [f"{key}={value}" for key, value in pairs]
        print(
            f"trial {trial.number:3}  {describe_outcome(plan, trial)}  {' '.join(values)}",
            flush=True,
        )

    def show_running(self, trials: Sequence[SweepTrial]) -> None:
        """Shows how many trials ended, and the best so far; now and then the table."""
        best = ranking(self._plan, trials)[:1]
        text = f", best {best[0].score:.6g} (trial {best[0].number})" if best else ""
        num_running = sum(each.outcome == "unfinished" for each in trials)
        num_ended = len(trials) - num_running
        self._relay.progress(num_ended, self._plan.total, f"sweep, {num_running} running{text}")
        if self._is_time_for_table():
            self.show_table(trials, is_over=False)

    def _is_time_for_table(self) -> bool:
        """True if the last table is old: soon in a short sweep, rarely in a long one."""
        now = time.monotonic()
        if now < self._table_at:
            return False
        self._table_at = now + max(TABLE_SECONDS, TABLE_SHARE * (now - self._start))
        return True

    def show_table(self, trials: Sequence[SweepTrial], is_over: bool = True) -> None:
        """Shows the best trials, best first; while the sweep goes on also those that run."""
        print(
            "\n".join(format_table(table_rows(self._plan, trials, is_over))),
            "\n",
            sep="",
            flush=True,
        )


def format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns of equal width, all text at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def table_rows(plan: SweepPlan, trials: Sequence[SweepTrial], is_over: bool) -> list[list[str]]:
    """A head, and a row per trial: the best, and those that run unless the sweep is over."""
    ranked = ranking(plan, trials)
    shown = ranked[:TABLE_ROWS]
    running = [] if is_over else [each for each in trials if each.outcome == "unfinished"]
    numbers = {each.number for each in shown}
    shown += [each for each in running if each.number not in numbers]
    names = short_names(plan.searched) if plan.labels is None else [""]
    rows = [["trial", "rung", "state", plan.metric, *names]]
    for trial in shown:
        score = f"{trial.score:.6g}" if trial.scores else "-"
        rung = f"{trial.rung + 1}/{plan.num_rungs}"
        cells = [str(trial.number), rung, _state(trial, is_over), score]
        rows.append([*cells, *describe_values(plan, trial.values, trial.number)])
    return rows


def describe_values(plan: SweepPlan, values: Mapping[str, Any], number: int) -> list[str]:
    """The label of a trial, or its values of what is searched."""
    if plan.labels is None:
        return [_text(values[key]) for key in plan.searched]
    return [name_trial(plan, number)]


def name_trial(plan: SweepPlan, number: int) -> str:
    """Name of a trial."""
    return plan.labels[number] if plan.labels else f"trial {number}"


def ranking(plan: SweepPlan, trials: Iterable[SweepTrial]) -> list[SweepTrial]:
    """Trials with a metric: those that came furthest first, and of these the best first."""
    measured = [each for each in trials if math.isfinite(each.score)]
    return sorted(measured, key=lambda each: (-each.rung, -goodness(each.score, plan.mode)))


def describe_outcome(plan: SweepPlan, trial: SweepTrial) -> str:
    """End of a trial, in a few words."""
    if trial.outcome == "failed":
        return f"failed: {trial.failure}"
    score = f"{plan.metric} {trial.score:.6g}" if trial.scores else "no metric yet"
    if trial.outcome == "stopped":
        return f"stopped at rung {trial.rung + 1} of {plan.num_rungs}: {score}"
    return f"{'finished' if trial.outcome == 'finished' else 'cut off'}: {score}"


def _state(trial: SweepTrial, is_over: bool) -> str:
    if trial.outcome != "unfinished":
        return trial.outcome
    if is_over:
        return "cut off"
    stage, nimg = trial.history.stage, trial.history.nimg
    return f"{stage} {nimg / 1000:g} kimg" if nimg else stage or "starts"


def short_names(keys: Sequence[str]) -> list[str]:
    """The last two parts of every key, all of it where another ends alike."""
    ends = [".".join(key.split(".")[-2:]) for key in keys]
    return [end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
