"""Writes a sweep to MLflow while it runs: a run per trial, and the table in the sweep's own run."""

import sys
import threading
import time
from collections.abc import Callable, Sequence

from pipeline.sweep.console import ranking, table_rows
from pipeline.sweep.mlflow_runs import TrialRun, find_recorded
from pipeline.sweep.sweep_store import SweepStore, SweepTrial
from pipeline.tracking.mlflow_runs import RunAddress, attempt, connect
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.reproduction import NOTE

ROUND_SECONDS = 1.0
RETRY_SECONDS = 5.0
HEADING = "#### Trials, the best first"


class MlflowWriter:
    """Works in a thread of its own, so that a slow or dead MLflow delays no trial."""

    def __init__(self, store: SweepStore, find_address: Callable[[], RunAddress | None]) -> None:
        self._store, self._find_address = store, find_address
        self._ended = {each.number: each for each in store.trials() if each.is_over}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self, trial: SweepTrial) -> None:
        """Closes the run of a trial that ended, after its last event."""
        self._ended[trial.number] = trial

    def close(self) -> None:
        """Writes what is left, and ends; runs of trials that were cut off are KILLED."""
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        runs, is_over = None, False
        while not is_over:
            is_over = self._over.wait(ROUND_SECONDS)
            if runs is None and (address := self._find_address()):  # MLflow may be away at first
                runs = _SweepRuns(address, self._store, self._ended)
            ended = dict(self._ended)  # before the event logs are read: their last lines are there
            if runs:
                runs.write(len(self._store.trials()), ended, is_last=is_over)
        if runs is None or not runs.close():
            print(
                "MLflow has not got all of the sweep; the same command delivers it",
                file=sys.stderr,
                flush=True,
            )


class _SweepRuns:
    """The runs of all trials, and that of the sweep."""

    def __init__(
        self, address: RunAddress, store: SweepStore, ended: dict[int, SweepTrial]
    ) -> None:
        self._address, self._store = address, store
        self._sweep = MlflowTracker(address)
        self._open: dict[int, TrialRun] = {}
        recorded = attempt(lambda: find_recorded(address, list(ended.values())))
        self._closed = {number: ended[number] for number in (recorded[0] if recorded else [])}
        self._retry_at = 0.0
        self._is_in_trouble = False

    def write(self, num_trials: int, ended: dict[int, SweepTrial], is_last: bool) -> None:
        """Passes on what is new; what MLflow does not take waits."""
        num_closed = len(self._closed)
        for number in range(num_trials):
            if number in self._closed:
                continue
            if time.monotonic() < self._retry_at and not is_last:
                return
            self._is_in_trouble = not self._attempt(lambda n=number: self._write(n, ended))
            if self._is_in_trouble:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                return
        if len(self._closed) > num_closed:
            self._write_table()

    def close(self) -> bool:
        """Ends the runs of trials that did not end; False if MLflow has not got all."""
        if self._is_in_trouble:
            return False
        for number, run in self._open.items():
            if not self._attempt(lambda r=run, n=number: r.close(self._store.trial(n))):
                return False
        self._write_table()
        return True

    def _attempt(self, call: Callable[[], object]) -> bool:
        """True if MLflow took it; trouble is told once while it lasts."""
        return attempt(call, quiet=self._is_in_trouble) is not None

    def _write(self, number: int, ended: dict[int, SweepTrial]) -> None:
        """Passes on what is new of one trial."""
        if number not in self._open:
            trial = self._store.trial(number)
            self._open[number] = TrialRun(self._address, self._store.plan, trial)
        run = self._open[number]
        run.write_new()
        if number in ended:
            run.close(ended[number])
            self._closed[number] = ended[number]
            del self._open[number]
            self._write_best()

    def _write_best(self) -> None:
        """Writes the best metric over the number of ended trials, a curve of the sweep's run."""
        best = ranking(self._store.plan, self._closed.values())[:1]
        if best:
            self._sweep.log_metrics({"best": best[0].score}, len(self._closed))

    def _write_table(self) -> None:
        """Writes the table of the terminal as the description of the sweep's run."""
        rows = table_rows(self._store.plan, self._store.trials(), is_over=True)
        attempt(lambda: self._replace_note(rows), quiet=True)

    def _replace_note(self, rows: Sequence[Sequence[str]]) -> None:
        """Replaces the description, unless a person wrote another."""
        client, run_id = connect(self._address.uri), self._address.run_id
        note = client.get_run(run_id).data.tags.get(NOTE, "")
        if not note or note.startswith(HEADING):
            client.set_tag(run_id, NOTE, f"{HEADING}\n\n{to_markdown(rows)}")


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its head."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["--:"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
