"""A trial, in a worker of Ray Tune: runs the stages at rising budgets and reports the metric."""

import contextlib
import difflib
import os
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from pipeline.cluster import Workers
from pipeline.sweep.journal import Journal, JournalAddress, JournalTracker
from pipeline.sweep.ledger import Ledger
from pipeline.sweep.plan import Plan
from pipeline.sweep.project import write_params
from pipeline.sweep.resources import is_nested
from pipeline.workers.workers import call_stage, run_stage

LOG = "log.txt"
POLL_SECONDS = 0.5


def run_trial(config: dict[str, Any]) -> None:
    """Tune's trainable: a trial from where it is to its end, its output in its own log file."""
    folder, root = Path(config["folder"]), Path(config["root"])
    journal = Journal(folder)
    journal.mend()
    os.chdir(folder)
    workers = {stage: Workers(**row) for stage, row in config["workers"].items()}
    with (folder / LOG).open("a", buffering=1) as log, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(log))
        stack.enter_context(contextlib.redirect_stderr(log))
        try:
            ledger = Ledger(folder.parent, Plan.model_validate_json(config["plan"]))
            _Run(config["number"], ledger, root, workers, config["is_local"]).go()
        except ValueError as error:
            journal.append("failed", message=str(error))
        except Exception as error:
            traceback.print_exc()
            what = " ".join(str(error).split())[:200]
            journal.append("failed", message=f"{type(error).__name__}: {what}; see {folder / LOG}")


class _Run:
    """One go at a trial; what earlier ones finished is not done again."""

    def __init__(
        self, number: int, ledger: Ledger, root: Path, workers: dict[str, Workers], is_local: bool
    ) -> None:
        self._ledger, self._plan = ledger, ledger.plan
        self._trial = ledger.trial(number)
        self._root = root
        self._workers = workers
        self._is_local = is_local
        self._journal = Journal(self._trial.folder)
        self._known = dict(self._trial.history.scores)

    def go(self) -> None:
        """All stages at all budgets that are left."""
        if self._known:  # whether the trial may go on was perhaps never told
            rung = max(self._known)
            self._report(rung, self._known[rung])
        for rung, budget in enumerate(self._plan.budgets):
            if rung + len(self._plan.thresholds) in self._known:
                continue
            write_params(self._trial.folder, self._root, self._trial.values | budget)
            for stage in self._plan.stages:
                if (stage, rung) not in self._trial.history.done:
                    self._journal.append("start", stage=stage, rung=rung)
                    self._run_stage(stage, rung)
                    self._journal.append("done", stage=stage, rung=rung)
            self._score(rung + len(self._plan.thresholds), self._measured(rung))

    def _run_stage(self, stage: str, rung: int) -> None:
        """In this process, or on Ray Train workers if any stage asks for more than one."""
        folder = self._trial.folder
        address = JournalAddress(str(folder), stage, rung)
        row = self._workers[stage]
        is_judged = stage == self._plan.metric_stage and bool(self._plan.thresholds)
        if row.num_workers == 0 or not is_nested(self._workers):
            tracker = JournalTracker(address, self._listen if is_judged else None)
            call_stage(stage, folder, tracker)
        elif is_judged:
            self._run_and_listen(stage, address, row)
        else:
            run_stage(stage, folder, lambda: address.open_tracker, row, self._is_local)

    def _run_and_listen(self, stage: str, address: JournalAddress, row: Workers) -> None:
        """Runs a stage on Ray Train workers, and reads in the journal what they report."""
        journal = Journal(self._trial.folder)
        journal.read_on()
        outcome: Future[None] = Future()
        arguments = (stage, Path(address.folder), lambda: address.open_tracker, row, self._is_local)
        threading.Thread(target=_fulfil, args=(outcome, arguments), daemon=True).start()
        while True:
            is_over = bool(wait([outcome], POLL_SECONDS).done)
            for entry in journal.read_on():
                if entry["event"] == "metrics":
                    self._listen(entry["metrics"], entry["nimg"])
            if is_over:
                return outcome.result()

    def _listen(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Reports the metric at every number of images at which trials are judged."""
        for rung, threshold in enumerate(self._plan.thresholds):
            if nimg >= threshold and rung not in self._known and self._plan.metric_name in metrics:
                self._score(rung, metrics[self._plan.metric_name])

    def _measured(self, rung: int) -> float:
        """The metric after all stages at a rung.

        Raises:
            ValueError: its stage did not report it, or measured otherwise than in other trials.
        """
        history, stage = self._ledger.trial(self._trial.number).history, self._plan.metric_stage
        self._ledger.refuse_mixed(self._trial.number, stage)
        found = history.metrics.get((stage, rung), {})
        if self._plan.metric_name not in found:
            near = difflib.get_close_matches(self._plan.metric_name, found, n=3)
            raise ValueError(
                f"metric must be one that {stage} reports, {self._plan.metric} is not; it reports "
                f"{', '.join(near or sorted(found)) or 'none'}"
            )
        return found[self._plan.metric_name]

    def _score(self, rung: int, score: float) -> None:
        self._known[rung] = score
        self._journal.append("score", rung=rung, value=score)
        self._report(rung, score)

    def _report(self, rung: int, score: float) -> None:
        """Tells Tune, which ends this thread by SystemExit if the trial may not go on."""
        from ray import tune

        tune.report({"rung": rung, "score": score})


def _fulfil(outcome: "Future[None]", arguments: tuple[Any, ...]) -> None:
    try:
        run_stage(*arguments)
        outcome.set_result(None)
    except Exception as error:
        outcome.set_exception(error)
