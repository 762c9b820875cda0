"""Trials that a sweep would run, and their cost, before anything starts."""

import itertools
from collections.abc import Iterator, Sequence

from pipeline.sweep.console import describe_values, format_table, short_names
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import SweepTrial

MAX_ROWS = 100


def describe_sweep(plan: SweepPlan, trials: Sequence[SweepTrial], num_at_once: int | None) -> str:
    """Rungs, trials and cost of a sweep, of which these trials were begun, as text."""
    over = [trial for trial in trials if trial.is_over]
    lines = [*_describe_rungs(plan), "", *_describe_trials(plan, trials), ""]
    if not over:
        lines.append("cost: no trial of this sweep is over yet, so it is not known how long one is")
    else:
        minutes = sum(trial.history.seconds for trial in over) / len(over) / 60
        num_left = plan.total - len(over)
        total = minutes * num_left / (num_at_once or 1)
        each = f"{num_at_once} at a time" if num_at_once else "one after the other"
        lines.append(
            f"cost: {len(over)} of the trials are over, after {minutes:.3g} minutes each on "
            f"average; at this rate the other {num_left}, {each}, take {total:.3g} minutes"
        )
    if plan.minutes:
        lines.append(
            f"a start ends after `minutes: {plan.minutes:g}`; the same command then goes on"
        )
    return "\n".join(lines)


def expected_trials(plan: SweepPlan) -> list[int]:
    """Number of trials that come to every rung, if one in reduction_factor passes each."""
    factor = plan.asha.reduction_factor if plan.asha else 1
    return [max(1, round(plan.total / factor**rung)) for rung in range(plan.num_rungs)]


def _describe_rungs(plan: SweepPlan) -> Iterator[str]:
    stages = ", ".join(plan.stages)
    if not plan.asha:
        yield f"each of {plan.total} trials runs {stages} to its end"
        return
    factor = plan.asha.reduction_factor
    yield f"{plan.total} trials run {stages}; about one in {factor} passes a rung"
    counts = expected_trials(plan)
    if plan.thresholds:
        ends = [*(f"{nimg} images of {plan.metric_stage}" for nimg in plan.thresholds), "the end"]
    else:
        ends = [f"{key} = {value:g}" for budget in plan.budgets for key, value in budget.items()]
    for rung, (end, count) in enumerate(zip(ends, counts, strict=True)):
        prefix = "about " if rung else ""
        yield f"rung {rung + 1}: {end}, {prefix}{count} trial{'s' if count > 1 else ''}"
    if plan.budget_keys:
        values = [0.0, *plan.budget_values]
        steps = [after - before for before, after in itertools.pairwise(values)]
        expected = sum(count * step for count, step in zip(counts, steps, strict=True))
        yield (
            f"in all about {expected:.4g} of {plan.budget_keys[0]}; without early stopping "
            f"{plan.total * values[-1]:.4g}"
        )


def _describe_trials(plan: SweepPlan, trials: Sequence[SweepTrial]) -> Iterator[str]:
    begun = {trial.number: trial for trial in trials}
    names = short_names(plan.searched) if plan.labels is None else [""]
    rows = [["trial", "state", *names]]
    points = None if plan.search == "optuna" else plan.points()
    for number in range(plan.total if points else len(trials))[:MAX_ROWS]:
        if number in begun:
            rows.append(
                [
                    str(number),
                    begun[number].outcome,
                    *describe_values(plan, begun[number].values, number),
                ]
            )
        elif points:
            rows.append([str(number), "new", *describe_values(plan, points[number], number)])
    yield from format_table(rows)
    num_hidden = plan.total - len(rows) + 1
    if num_hidden and points:
        yield f"and {num_hidden} more"
    elif num_hidden:
        yield f"and {num_hidden} new ones, whose values Optuna chooses as the others end"
