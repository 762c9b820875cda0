"""Follows the journals of all trials beside the sweep: into MLflow, and onto the terminal."""

import threading
import time
from collections.abc import Callable

from pipeline.sweep.console import Board, ranking
from pipeline.sweep.ledger import Ledger, Trial
from pipeline.sweep.mlflow_runs import TrialRun, find_recorded
from pipeline.tracking.mlflow_runs import RunAddress, attempt
from pipeline.tracking.mlflow_tracker import PAUSE_SECONDS, MlflowTracker

ROUND_SECONDS = 1.0


class Recorder:
    """Works in a thread of its own, so that a slow or dead MLflow delays no trial."""

    def __init__(
        self, ledger: Ledger, find_address: Callable[[], RunAddress | None], board: Board
    ) -> None:
        self._ledger, self._find_address, self._board = ledger, find_address, board
        self._ended = {each.number: each for each in ledger.trials() if each.is_over}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self, trial: Trial) -> None:
        """A trial ended: says so, and closes its run after its last line."""
        self._board.show_end(trial)
        self._ended[trial.number] = trial

    def close(self) -> None:
        """Records what is left, and ends; runs of trials that were cut off are KILLED."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        address = self._find_address()
        book = _Book(address, self._ledger, self._ended) if address else None
        is_over = False
        while not is_over:
            is_over = self._over.wait(ROUND_SECONDS)
            ended = dict(self._ended)  # before the journals are read: their last lines are there
            numbers = self._ledger.numbers()
            self._board.show_progress(list(ended.values()), len(set(numbers) - ended.keys()))
            if not is_over and self._board.is_time_for_table():
                self._board.show_table(self._ledger.trials(), is_over=False)
            if book:
                book.write(numbers, ended)
        if book:
            book.close()


class _Book:
    """The runs of all trials."""

    def __init__(self, address: RunAddress, ledger: Ledger, ended: dict[int, Trial]) -> None:
        self._address, self._ledger = address, ledger
        self._sweep = MlflowTracker(address)
        self._open: dict[int, TrialRun] = {}
        recorded = attempt(lambda: find_recorded(address, list(ended.values())))
        self._closed = {number: ended[number] for number in (recorded[0] if recorded else [])}
        self._retry_at = 0.0

    def write(self, numbers: list[int], ended: dict[int, Trial]) -> None:
        """Passes on what is new."""
        for number in numbers:
            run = None if number in self._closed else self._run(number)
            if run:
                run.read_on()
            if run and number in ended:
                run.close(ended[number])
                self._closed[number] = ended[number]
                del self._open[number]
                self._write_best()

    def close(self) -> None:
        """Ends the runs of trials that did not end."""
        for number, run in self._open.items():
            run.close(self._ledger.trial(number))

    def _run(self, number: int) -> TrialRun | None:
        """The run of a trial; None while MLflow is away."""
        if number not in self._open and time.monotonic() >= self._retry_at:
            trial, plan = self._ledger.trial(number), self._ledger.plan
            has_warned = self._retry_at > 0
            found = attempt(lambda: TrialRun(self._address, plan, trial), quiet=has_warned)
            if found:
                self._open[number] = found[0]
            else:
                self._retry_at = time.monotonic() + PAUSE_SECONDS
        return self._open.get(number)

    def _write_best(self) -> None:
        """The best metric over the number of trials that ended, a curve of the sweep's run."""
        best = ranking(self._ledger.plan, self._closed.values())[:1]
        if best:
            self._sweep.log_metrics({"best": best[0].history.score}, len(self._closed))
