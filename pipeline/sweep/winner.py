"""The best trial as overrides, with which DVC runs its stages again to the same metric."""

import re
import shlex
from dataclasses import dataclass
from typing import Any

from pipeline.cluster import Settings, cores
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import SweepTrial

THREADS = "OMP_NUM_THREADS"  # of a job; pipeline.run sets it, too


@dataclass(frozen=True)
class Winner:
    """Content of winner.json."""

    trial: int
    metric: str
    mode: str
    score: float
    """Score to the last digit: the stages, run again on the same machine, report the same."""
    is_final: bool
    """True if the trial ran to the end; else none did, and this was the best of the furthest."""
    overrides: list[str]
    environment: dict[str, str]
    """Variables that matter for the last digit: sums depend on the number of threads."""
    command: str


def build_winner(
    plan: SweepPlan, trial: SweepTrial, threads: int | None, settings: Settings
) -> Winner:
    """The winner; `threads` is how many a trial had on this machine, None on a cluster."""
    rung = max(0, trial.rung - len(plan.thresholds))
    values = trial.values | plan.budgets[rung]
    overrides = [f"++{key}={write_value(value)}" for key, value in values.items()]
    environment = {} if threads is None else _environment(plan, threads, settings)
    words = [f"{name}={value}" for name, value in environment.items()]
    words += ["dvc", "exp", "run"]
    words += [word for override in overrides for word in ("-S", shlex.quote(override))]
    return Winner(
        trial.number,
        plan.metric,
        plan.mode,
        trial.score,
        trial.rung == plan.num_rungs - 1,
        overrides,
        environment,
        " ".join([*words, plan.stages[-1]]),
    )


def write_value(value: Any) -> str:
    """A value in the grammar of DVC's overrides, which is Hydra's."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            # Hydra doubles backslashes only where a quote follows
            escaped = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
            return f"'{escaped}'"
        case list():
            return f"[{','.join(map(write_value, value))}]"
        case _:
            return repr(value)


def _environment(plan: SweepPlan, threads: int, settings: Settings) -> dict[str, str]:
    """The number of threads, unless a stage by itself takes as many anyway."""
    for stage in plan.stages:
        alone = cores() // max(1, settings.workers_of(stage, is_local=True).num_workers)
        if max(1, alone) != threads:
            return {THREADS: str(threads)}
    return {}
