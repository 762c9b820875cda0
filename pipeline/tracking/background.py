"""Reports to MLflow from a thread of its own: a slow or dead server costs a stage no time."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.tracking.mlflow_runs import RunAddress, attempt
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.tracker import RelayTracker

RETRY_SECONDS = 5.0
FILE_SECONDS = 60.0
"""Time that a stage waits with a file for a server that is away."""
MAX_WAITING = 10_000
MAX_IMAGES = 8

Report = Callable[[], object]


class BackgroundTracker(RelayTracker):
    """Keeps what a stage reports, in order, until the server has it; bounded, the oldest go first.

    Files are sent when all before them has arrived, and the stage waits for that.
    """

    def __init__(self, address: RunAddress) -> None:
        super().__init__()
        self.address = address
        self._tracker = _SteadyTracker(address)
        self._waiting: deque[tuple[str, Report]] = deque()
        self._changed = threading.Condition()
        self._is_busy = False
        threading.Thread(target=self._work, daemon=True).start()

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Logs parameters; groups become dotted keys, as in `dvc exp run -S`."""
        self._post("params", lambda: self._tracker.log_params(params))

    def log_choices(self, params: Mapping[str, Any]) -> None:
        """Logs the parameters that differ from their defaults to the reproduction."""
        self._post("params", lambda: self._tracker.log_choices(params))

    def set_headlines(self, patterns: Sequence[str]) -> None:
        """Metrics to be repeated in the run of the reproduction."""
        self._tracker.set_headlines(patterns)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags of the stage's run."""
        self._post("tags", lambda: self._tracker.set_tags(tags))

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Logs metrics; what a resumed run has logged before is not logged twice."""
        now = time.time()
        self._post("metrics", lambda: self._tracker.log_metrics(metrics, nimg, now))

    def repeat_metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Logs what never arrived because its process was killed while the server was away."""
        self._post("metrics", lambda: self._tracker.repeat_metrics(rows))

    def log_image(self, key: str, image: Image.Image, nimg: int) -> None:
        """A picture in the image grid of the run's page; of many that wait, the newest are kept."""
        with self._changed:
            pictures = [job for job in self._waiting if job[0] == "image"]
            if len(pictures) >= MAX_IMAGES:
                self._waiting.remove(pictures[0])
        self._post("image", lambda: self._tracker.log_image(key, image, nimg))

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """A file or folder among the run's artifacts."""
        self._post("artifact", lambda: self._tracker.log_artifact(path, folder))
        self._flush(FILE_SECONDS)

    def log_snapshot(self, folder: Path, nimg: int) -> None:
        """The run's artifact `snapshot`, registered as one version per run of mimic3d-<stage>."""
        self._post("snapshot", lambda: self._tracker.log_snapshot(folder, nimg))
        self._flush(FILE_SECONDS)

    def close(self, seconds: float = 0.0) -> None:
        """Waits until all has arrived, or says what did not."""
        if not self._flush(seconds):
            with self._changed:
                kinds = sorted({kind for kind, _ in self._waiting})
                self._waiting.clear()
            print(
                f"MLflow was away for the last {seconds:g} s; it has not got all "
                f"{', '.join(kinds)} of {self.address.stage}",
                file=sys.stderr,
            )
        self._tracker.is_over.set()
        with self._changed:
            self._changed.notify_all()

    def _post(self, kind: str, report: Report) -> None:
        with self._changed:
            self._waiting.append((kind, report))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
            self._changed.notify_all()

    def _flush(self, seconds: float) -> bool:
        """Waits until nothing waits any more; False if that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._is_busy, timeout=seconds
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._tracker.is_over.is_set())
                if not self._waiting:
                    return
                _, report = self._waiting.popleft()
                self._is_busy = True
            report()
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()


class _SteadyTracker(MlflowTracker):
    """Tries again until the server is back; gives up only on what a server that answers refuses."""

    def __init__(self, address: RunAddress) -> None:
        super().__init__(address)
        self.is_over = threading.Event()

    def _try(self, send: Report) -> None:
        warned = False
        while attempt(send, quiet=warned) is None:
            warned = True
            if attempt(lambda: self.client.get_run(self.address.run_id), quiet=True):
                if attempt(send, quiet=True) is None:  # it may have come back just now
                    print("MLflow refuses this, the stage goes on without", file=sys.stderr)
                return
            if self.is_over.wait(RETRY_SECONDS):
                return
