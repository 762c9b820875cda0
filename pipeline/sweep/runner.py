"""The trials of a sweep as Ray tasks: which one runs next, which one is stopped, which is over."""

import logging
import math
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from pipeline.cluster import Workers
from pipeline.sweep.asha import should_continue
from pipeline.sweep.history import HistoryReader
from pipeline.sweep.mistakes import explain_missing, find_mixed, is_of_one_trial
from pipeline.sweep.resources import bundle_of_trial, trials_at_once, trials_with_room
from pipeline.sweep.search import TrialSearcher
from pipeline.sweep.sweep_store import SweepStore, SweepTrial
from pipeline.sweep.trial import RungTask, TrialFailure, run_rung

POLL_SECONDS = 0.5

MAX_DEATHS = 2
"""Number of times that a trial whose process died goes on from its state."""

MAX_FAILURES = 3
"""Failed trials after which a sweep ends, if not one worked."""

TrialListener = Callable[[SweepTrial], None]
SweepListener = Callable[[Sequence[SweepTrial]], None]


def run_trials(
    store: SweepStore,
    root: Path,
    rows: Mapping[str, Workers],
    is_local: bool,
    on_end: TrialListener,
    on_round: SweepListener,
) -> str | None:
    """Runs all trials that are left; those that ended before are not touched.

    Why it ended before its time, in a sentence, if no further trial could work; else None.
    """
    ray.init(address="auto", log_to_driver=False, logging_level=logging.WARNING)
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))  # all is on disk
    runner = TrialRunner(store, root, rows, is_local, on_end, on_round)
    runner.run()
    return runner.reason


class TrialRunner:
    """A loop over trials; each is a task per budget, and goes on at the next one in another."""

    def __init__(
        self,
        store: SweepStore,
        root: Path,
        rows: Mapping[str, Workers],
        is_local: bool,
        on_end: TrialListener,
        on_round: SweepListener,
    ) -> None:
        self.reason: str | None = None
        """Reason that the sweep ends early."""
        self._store, self._plan, self._root = store, store.plan, root
        self._rows, self._is_local = dict(rows), is_local
        self._on_end, self._on_round = on_end, on_round
        self._searcher = TrialSearcher(store.plan)
        self._resources = bundle_of_trial(rows, ray.cluster_resources(), is_local)
        self._task = ray.remote(max_retries=0)(run_rung)
        self._left = [each.number for each in store.trials() if not each.is_over]
        self._running: dict[ray.ObjectRef, int] = {}
        self._readers: dict[int, HistoryReader] = {}
        self._judged: set[tuple[int, int]] = set()
        self._deaths: dict[int, int] = {}

    def run(self) -> None:
        """Runs all trials until they are over, or the time is."""
        minutes = self._plan.minutes
        end = time.monotonic() + minutes * 60 if minutes else float("inf")
        while self.reason is None and time.monotonic() < end:
            self._start_trials()
            self._on_round(self._store.trials())
            if not self._running:
                return
            ended, _ = ray.wait(list(self._running), timeout=POLL_SECONDS)
            for number in list(self._running.values()):
                self._judge(number)
            for task in ended:
                if task in self._running:  # else it was stopped just now
                    self._end_task(task)
        for number in list(self._running.values()):
            self._cancel(number)

    def _start_trials(self) -> None:
        """Starts trials that were cut off, then new ones, while there is room."""
        while self.reason is None and len(self._running) < self._num_at_once():
            if self._left:
                self._go_on(self._left.pop(0))
            elif (number := len(self._store.frozen_trials())) < self._plan.total:
                values = self._searcher.propose(number, self._store.frozen_trials())
                self._go_on(self._store.add_trial(values, self._root))
            else:
                return

    def _num_at_once(self) -> int:
        limit = trials_at_once(self._plan, self._rows, ray.cluster_resources(), self._is_local)
        if limit is not None:
            return limit
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return trials_with_room(self._rows, machines) + 1  # for which a cluster may grow

    def _go_on(self, number: int) -> None:
        """Starts the next budget of a trial, unless it is over or may not go on."""
        reader = HistoryReader(self._store.trial_folder(number), self._plan)
        self._readers.setdefault(number, reader)
        if not self._judge(number):
            return
        trial, num_thresholds = self._store.trial(number), len(self._plan.thresholds)
        history, rung = self._readers[number].read(), max(0, trial.rung + 1 - num_thresholds)
        if trial.rung == self._plan.num_rungs - 1:
            self._finish(trial)
        elif all((stage, rung) in history.done for stage in self._plan.stages):
            self._fail(number, TrialFailure(explain_missing(history, rung), is_mistake=True))
        else:
            self._start(trial, rung)

    def _start(self, trial: SweepTrial, rung: int) -> None:
        task = RungTask(
            trial.folder, self._root, self._plan, trial.values, rung, self._rows, self._is_local
        )
        amounts = dict(self._resources)
        options: dict[str, Any] = {"num_cpus": amounts.pop("CPU", 0.0)}
        options |= {"num_gpus": amounts.pop("GPU", 0.0), "memory": amounts.pop("memory", None)}
        reference = self._task.options(**options, resources=amounts).remote(task)
        self._running[reference] = trial.number

    def _end_task(self, task: "ray.ObjectRef") -> None:
        """Handles the end of a task, in whatever way."""
        number = self._running.pop(task)
        failure: TrialFailure | None = None
        try:
            failure = ray.get(task)
        except RayError:
            self._deaths[number] = self._deaths.get(number, 0) + 1
            if self._deaths[number] > MAX_DEATHS:
                message = f"its process ended {MAX_DEATHS + 1} times without a word; see Ray's logs"
                failure = TrialFailure(message, is_mistake=False)
        if failure:
            self._fail(number, failure)
        else:
            self._go_on(number)

    def _judge(self, number: int) -> bool:
        """Keeps what a trial has measured since, and tells whether it may go on."""
        scores = self._readers[number].read().scores
        for rung in sorted(scores):
            known = self._store.trial(number).rung
            if rung < known or (number, rung) in self._judged:
                continue
            if rung > known and (mistake := find_mixed(self._store.trials(), number)):
                self._cancel(number)
                self._fail(number, TrialFailure(mistake, is_mistake=True))
                return False
            self._store.report(number, rung, scores[rung])
            self._judged.add((number, rung))
            if not self._may_continue(number, rung):
                self._cancel(number)
                self._store.end(number, "stopped")
                self._on_end(self._store.trial(number))
                return False
        return True

    def _may_continue(self, number: int, rung: int) -> bool:
        """ASHA's decision; after the last rung there is nothing to decide."""
        if self._plan.asha is None or rung == self._plan.num_rungs - 1:
            return True
        trials = self._store.trials()
        scores = {each.number: each.scores[rung] for each in trials if rung in each.scores}
        return should_continue(scores, number, self._plan.asha.reduction_factor, self._plan.mode)

    def _finish(self, trial: SweepTrial) -> None:
        if math.isfinite(trial.score):
            self._store.end(trial.number, "finished")
            self._on_end(self._store.trial(trial.number))
        else:
            message = f"{self._plan.metric} must be a number, is {trial.score}"
            self._fail(trial.number, TrialFailure(message, is_mistake=False))

    def _fail(self, number: int, failure: TrialFailure) -> None:
        """Keeps why a trial failed, and ends the sweep if no other can work."""
        self._store.end(number, "failed", failure.message)
        trials = self._store.trials()
        self._on_end(trials[number])
        if any(each.scores for each in trials):
            return
        if failure.is_mistake and not is_of_one_trial(failure.message, self._plan.searched):
            self.reason = (
                f"all trials would fail like trial {number}, whose mistake is in nothing that is "
                f"searched; correct it, and start the same command again"
            )
        elif sum(each.outcome == "failed" for each in trials) >= MAX_FAILURES:
            self.reason = f"{MAX_FAILURES} trials failed and none worked; correct what they told"

    def _cancel(self, number: int) -> None:
        """Ends the process of a trial, if it runs; its state is on disk."""
        for task in [each for each, running in self._running.items() if running == number]:
            ray.cancel(task, force=True)
            del self._running[task]
