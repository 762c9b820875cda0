"""Reports to MLflow from threads of their own: a slow or dead server costs a stage no time."""

import contextlib
import importlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.tracking.journal import ReportJournal, Row, file_signature, send_row
from pipeline.tracking.mlflow_runs import RunAddress, RunRequest
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.steady import SteadyTracker
from pipeline.tracking.tracker import RelayTracker

FILE_SECONDS = 60.0
"""Time that a stage waits with a file for a server that is away."""
MAX_WAITING = 100_000
MAX_IMAGES = 8
FILES = ("images", "files", "snapshot")
"""Kinds of reports that have files."""

IMPORT = threading.Lock()
"""Lock of the import of MLflow, which two threads must not begin at once: each waits for a module
of the other."""

Report = Callable[[MlflowTracker], object]


class BackgroundTracker(RelayTracker):
    """Keeps what a stage reports, in order, until the server has it; bounded, the oldest go first.

    Numbers do not wait for files, whose place may be away alone. Without an address the run is not
    open yet. `journals` is the folder that keeps reports if this process is killed; None keeps them
    in memory only.
    """

    def __init__(
        self, request: RunRequest, address: RunAddress | None, journals: Path | None = None
    ) -> None:
        super().__init__()
        self.stage = request.stage
        told: set[str] = set()
        self._numbers, self._files = (_Lane(request, address, told) for _ in range(2))
        self._journal: ReportJournal | None = None
        if journals:
            self._open_journal(journals, request)

    def _open_journal(self, folder: Path, request: RunRequest) -> None:
        try:
            self._journal = ReportJournal(folder, request)
        except OSError:  # another process of the run keeps it, or the disk is full
            return
        for row in self._journal.left:
            self._post(row)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Logs parameters; groups become dotted keys, as in `dvc exp run -S`."""
        self._report({"kind": "params", "params": dict(params)})

    def log_choices(self, params: Mapping[str, Any]) -> None:
        """Logs the parameters that differ from their defaults to the reproduction."""
        self._report({"kind": "choices", "params": dict(params)})

    def set_headlines(self, patterns: Sequence[str]) -> None:
        """Metrics to be repeated in the run of the reproduction."""
        self._report({"kind": "headlines", "patterns": list(patterns)})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags of the stage's run."""
        self._report({"kind": "tags", "tags": dict(tags)})

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Logs metrics; what a resumed run has logged before is not logged twice."""
        numbers = {name: float(value) for name, value in metrics.items()}
        self._report({"kind": "metrics", "metrics": numbers, "nimg": nimg, "time_s": time.time()})

    def repeat_metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Logs what never arrived, and is in no journal either: of a process on a lost machine."""
        self._numbers.post("metrics", lambda tracker: tracker.repeat_metrics(rows))

    def log_image(self, key: str, image: Image.Image, nimg: int) -> None:
        """A picture in the image grid of the run's page.

        Without a journal the newest are kept of many that wait.
        """
        if self._journal:
            with contextlib.suppress(OSError):  # the disk is full
                self._post(self._journal.add_image(key, image, nimg))
                return
        self._files.limit("images", MAX_IMAGES - 1)
        now = time.time()
        self._files.post("images", lambda tracker: tracker.log_image(key, image, nimg, now))

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """A file or folder among the run's artifacts."""
        signature = file_signature(path)
        row = {"kind": "files", "path": str(path), "folder": folder, "signature": signature}
        self._report(row)
        self._files.flush(FILE_SECONDS)

    def log_snapshot(self, folder: Path, nimg: int) -> None:
        """The run's artifact `snapshot`, registered as one version per run of mimic3d-<stage>."""
        signature = file_signature(folder)
        row = {"kind": "snapshot", "path": str(folder), "nimg": nimg, "signature": signature}
        self._report(row)
        self._files.flush(FILE_SECONDS)

    def close(self, seconds: float = 0.0) -> None:
        """Waits until all has arrived, or says what did not."""
        deadline = time.monotonic() + seconds
        lanes = (self._numbers, self._files)
        is_delivered = all([lane.flush(deadline - time.monotonic()) for lane in lanes])
        missing = {kind for lane in lanes for kind in lane.end()}
        if missing:
            reason = next(
                (lane.reason for lane in lanes if lane.reason), "it has not answered in time"
            )
            note = "; the next stage of this folder delivers it" if self._journal else ""
            print(
                f"MLflow has not got all {', '.join(sorted(missing))} of {self.stage}: "
                f"{reason}{note}",
                file=sys.stderr,
            )
        if self._journal:
            self._journal.close(is_delivered)

    def _report(self, row: Row) -> None:
        if self._journal:
            if self._numbers.is_idle and self._files.is_idle:
                self._journal.clear()
            self._journal.add(row)
        self._post(row)

    def _post(self, row: Row) -> None:
        lane = self._files if row["kind"] in FILES else self._numbers
        lane.post(row["kind"], lambda tracker: send_row(tracker, row))


class _Lane:
    """Reports that go one after the other, in a thread of their own."""

    def __init__(self, request: RunRequest, address: RunAddress | None, told: set[str]) -> None:
        self.tracker = SteadyTracker(request, address, told)
        self._waiting: deque[tuple[str, Report]] = deque()
        self._changed = threading.Condition()
        self._current: str | None = None
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def is_idle(self) -> bool:
        """True if all has arrived."""
        with self._changed:
            return not self._waiting and self._current is None

    @property
    def reason(self) -> str | None:
        """Sentence on the trouble that lasts."""
        return self.tracker.trouble.sentence if self.tracker.trouble else None

    def post(self, kind: str, report: Report) -> None:
        """Adds a report."""
        with self._changed:
            self._waiting.append((kind, report))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
            self._changed.notify_all()

    def limit(self, kind: str, count: int) -> None:
        """Drops the oldest of a kind, so that at most so many wait."""
        with self._changed:
            waiting = [job for job in self._waiting if job[0] == kind]
            for job in waiting[: max(0, len(waiting) - count)]:
                self._waiting.remove(job)

    def flush(self, seconds: float) -> bool:
        """Waits until nothing waits any more; False if that took too long, or waiting is vain."""
        begun = time.monotonic()
        deadline = begun + seconds
        with self._changed:
            while self._waiting or self._current is not None:
                left = deadline - time.monotonic()
                if left <= 0 or self.tracker.is_vain(begun, seconds):
                    return False
                self._changed.wait(min(left, 0.5))
        return True

    def end(self) -> set[str]:
        """Ends the thread; kinds of what has not arrived."""
        with self._changed:
            missing = {kind for kind, _ in self._waiting} | {self._current or ""}
            self._waiting.clear()
            self.tracker.is_over.set()
            self._changed.notify_all()
        return missing - {""}

    def _work(self) -> None:
        with IMPORT:
            importlib.import_module("mlflow.entities")
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self.tracker.is_over.is_set())
                if not self._waiting:
                    return
                self._current, report = self._waiting.popleft()
            report(self.tracker)
            with self._changed:
                self._current = None
                self._changed.notify_all()
