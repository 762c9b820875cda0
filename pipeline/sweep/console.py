"""The sweep on the terminal: a line per trial that ended, a bar, now and then a table."""

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.sweep.asha import goodness
from pipeline.sweep.ledger import Trial
from pipeline.sweep.plan import Plan
from pipeline.tracking.tracker import RelayTracker

TABLE_ROWS = 10
"""The best trials; those that run are shown in any case."""

TABLE_SECONDS, TABLE_SHARE = 60.0, 0.1
"""A table comes this much later than the one before, or this share of the whole time so far."""


class Board:
    """Shows how a sweep goes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._relay = RelayTracker()
        self._start = time.monotonic()
        self._table_at = self._start + TABLE_SECONDS

    def show_end(self, trial: Trial) -> None:
        """A line for a trial that ended."""
        plan, values = self._plan, self._describe(trial)
        if plan.labels is None:
            pairs = zip(plan.searched, values, strict=True)
            values = [f"{key}={value}" for key, value in pairs]
        print(
            f"trial {trial.number:3}  {describe_outcome(plan, trial)}  {' '.join(values)}",
            flush=True,
        )

    def show_progress(self, ended: list[Trial], num_running: int) -> None:
        """How many of the trials ended, and the best so far."""
        best = ranking(self._plan, ended)[:1]
        about = f", best {best[0].history.score:.6g} (trial {best[0].number})" if best else ""
        self._relay.progress(len(ended), self._plan.total, f"sweep, {num_running} running{about}")

    def is_time_for_table(self) -> bool:
        """Whether the last table is old: soon in a short sweep, rarely in a long one."""
        now = time.monotonic()
        if now < self._table_at:
            return False
        self._table_at = now + max(TABLE_SECONDS, TABLE_SHARE * (now - self._start))
        return True

    def show_table(self, trials: Sequence[Trial], is_over: bool = True) -> None:
        """The best trials, best first; while the sweep goes on also those that run."""
        plan = self._plan
        ranked = ranking(plan, trials)
        shown = ranked[:TABLE_ROWS]
        running = [] if is_over else [each for each in trials if each.outcome == "unfinished"]
        numbers = {each.number for each in shown}
        shown += [each for each in running if each.number not in numbers]
        names = short_names(plan.searched) if plan.labels is None else [""]
        rows = [["trial", "rung", "state", plan.metric, *names]]
        for trial in shown:
            history = trial.history
            score = f"{history.score:.6g}" if history.scores else "-"
            rung = f"{history.rung + 1}/{plan.num_rungs}"
            about = [str(trial.number), rung, _state(trial, is_over), score]
            rows.append([*about, *self._describe(trial)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
        print(flush=True)

    def _describe(self, trial: Trial) -> list[str]:
        """What tells a trial from others: its label, or its values of what is searched."""
        if self._plan.labels is None:
            return [_text(trial.values[key]) for key in self._plan.searched]
        return [name_trial(self._plan, trial.number)]


def name_trial(plan: Plan, number: int) -> str:
    """What a trial is called; one of an earlier, longer list has lost its label."""
    labels = plan.labels or []
    return labels[number] if number < len(labels) else f"trial {number}"


def ranking(plan: Plan, trials: Iterable[Trial]) -> list[Trial]:
    """Trials with a metric: those that came furthest first, and of these the best first."""
    measured = [each for each in trials if math.isfinite(each.history.score)]
    return sorted(
        measured, key=lambda each: (-each.history.rung, -goodness(each.history.score, plan.mode))
    )


def describe_outcome(plan: Plan, trial: Trial) -> str:
    """How a trial ended, in a few words."""
    history = trial.history
    if trial.outcome == "failed":
        return f"failed: {history.failure}"
    score = f"{plan.metric} {history.score:.6g}" if history.scores else "no metric yet"
    if trial.outcome == "stopped":
        return f"stopped at rung {history.rung + 1} of {plan.num_rungs}: {score}"
    return f"{'finished' if trial.outcome == 'finished' else 'cut off'}: {score}"


def _state(trial: Trial, is_over: bool) -> str:
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
