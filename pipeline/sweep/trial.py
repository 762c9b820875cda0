"""A trial at one budget, in a worker of Ray: runs the stages that have not run at it yet."""

import contextlib
import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cluster import Workers
from pipeline.sweep.event_log import EventLog, EventLogAddress
from pipeline.sweep.history import HistoryReader
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.project import write_params
from pipeline.sweep.resources import is_nested
from pipeline.workers.workers import call_stage, run_stage

LOG = "log.txt"


@dataclass(frozen=True)
class RungTask:
    """Task of a worker."""

    folder: Path
    root: Path
    plan: SweepPlan
    values: dict[str, Any]
    rung: int
    """The place of its budget among `plan.budgets`."""
    rows: dict[str, Workers]
    is_local: bool


@dataclass(frozen=True)
class TrialFailure:
    """Reason that a trial failed."""

    message: str
    is_mistake: bool
    """True if a stage told its user so; else it is a bug."""


def run_rung(task: RungTask) -> TrialFailure | None:
    """Runs the stages at a budget, their output in the log file of the trial; None if all ended."""
    log = EventLog(task.folder)
    log.mend()
    os.chdir(task.folder)
    with (task.folder / LOG).open("a", buffering=1) as file, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        try:
            _run_stages(task, log)
        except ValueError as error:
            return TrialFailure(str(error), is_mistake=True)
        except Exception as error:
            traceback.print_exc()
            text = " ".join(str(error).split())[:200]
            message = f"{type(error).__name__}: {text}; see {task.folder / LOG}"
            return TrialFailure(message, is_mistake=False)
    return None


def _run_stages(task: RungTask, log: EventLog) -> None:
    """Runs in this process, or on Ray Train workers if any stage asks for more than one."""
    write_params(task.folder, task.root, task.values | task.plan.budgets[task.rung])
    done = HistoryReader(task.folder, task.plan).read().done
    for stage in task.plan.stages:
        if (stage, task.rung) in done:
            continue
        log.append("start", stage=stage, rung=task.rung)
        address = EventLogAddress(str(task.folder), stage, task.rung)
        row = task.rows[stage]
        if row.num_workers == 0 or not is_nested(task.rows):
            call_stage(stage, task.folder, address.open_tracker())
        else:
            run_stage(stage, task.folder, lambda at=address: at.open_tracker, row, task.is_local)
        log.append("done", stage=stage, rung=task.rung)
