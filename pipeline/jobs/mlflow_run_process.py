"""The MLflow run of a job, opened and closed by a process of its own, which keeps the log as well.

It works while the job imports Ray, and it outlives the job by a moment: whatever ends the job, even
`kill -9`, the run gets its status and its log.
"""

import json
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.jobs.attempts import AttemptReport
from pipeline.jobs.system_metrics import SystemMetrics
from pipeline.project import ProjectPaths
from pipeline.tracking.journal import deliver_left, note_status
from pipeline.tracking.mlflow_runs import RunAddress, RunRequest, attempt, close_run

FOLLOW_SECONDS = 1.0
RETRY_SECONDS = 5.0


class MlflowRunProcess:
    """Opens the run of a stage at once, in the background; to be told how the stage ended.

    A store that is away is asked again until the stage ends.
    """

    def __init__(self, root: Path, request: RunRequest) -> None:
        self.request = request
        self._address: RunAddress | None = None
        self._has_tried = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.jobs.mlflow_run_process", json.dumps(asdict(request))],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a line that comes later is not read along with the first
            start_new_session=True,  # a signal to the group of the job is not for it
        )

    @property
    def address(self) -> RunAddress | None:
        """The run; waits for the first try to open it. None while MLflow is in trouble."""
        assert self._process.stdout
        is_there = select.select([self._process.stdout], [], [], 0)[0] if self._has_tried else True
        if self._address is None and is_there:
            fields = json.loads(self._process.stdout.readline() or "null")
            self._address = RunAddress(**fields) if fields else None
            self._has_tried = True
        return self._address

    def close(self, status: str) -> None:
        """Ends the run: FINISHED or FAILED. A job that ends without this was KILLED."""
        assert self._process.stdin
        for stream in (sys.stdout, sys.stderr):  # it copies the log a last time
            stream.flush()
        try:
            self._process.communicate(status.encode(), timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            print("MLflow does not answer; its run stays open until it does", file=sys.stderr)


class _OpenRun:
    """The run, from the moment in which MLflow opens it."""

    def __init__(self, request: RunRequest) -> None:
        self._request = request
        self._journals = ProjectPaths(Path.cwd()).journals
        self._report: AttemptReport | None = None
        self._load: SystemMetrics | None = None
        self._next = 0.0
        self.address: RunAddress | None = None

    def try_to_open(self, is_first: bool) -> None:
        """Opens the run and tells its address; the first try tells that it failed, too."""
        if self.address or time.monotonic() < self._next:
            return
        opened = attempt(self._request.open, quiet=not is_first)
        self._next = time.monotonic() + RETRY_SECONDS
        if opened or is_first:
            print(json.dumps(asdict(opened[0]) if opened else None), flush=True)
        if opened:
            self.address = opened[0]
            threading.Thread(target=self._deliver_left, daemon=True).start()
            if self._report:
                self._report.begin(self.address)
        self._report = self._report or AttemptReport(Path.cwd(), self._request.stage, self.address)
        self._load = SystemMetrics(self.address)

    def follow(self) -> None:
        """Copies the log on, and the load of the machine."""
        self.try_to_open(is_first=False)
        if self._report and self._load:
            self._report.follow()
            self._load.follow()

    def close(self, status: str) -> None:
        """Ends the run, or notes for the next stage how it ended."""
        if not (address := self.address) or attempt(lambda: close_run(address, status)) is None:
            note_status(self._journals, self._request, status)
        if self._report:
            self._report.close()

    def _deliver_left(self) -> None:
        uri = self._request.uri
        attempt(lambda: deliver_left(self._journals, uri, self._request), quiet=True)


def main(arguments: dict[str, Any]) -> None:
    """Opens a run, tells its address, waits for the status or for the end of the job."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ray sends it to all descendants of a job
    run = _OpenRun(RunRequest(**arguments))
    run.try_to_open(is_first=True)
    while not select.select([sys.stdin], [], [], FOLLOW_SECONDS)[0]:
        run.follow()
    run.close(sys.stdin.readline().strip() or "KILLED")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
