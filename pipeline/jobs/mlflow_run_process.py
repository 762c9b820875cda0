"""The MLflow run of a job, opened and closed by a process of its own, which keeps the log as well.

It works while the job imports Ray, and it outlives the job by a moment: whatever ends the job, even
`kill -9`, the run gets its status and its log.
"""

import json
import select
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.jobs.attempts import AttemptReport
from pipeline.jobs.system_metrics import SystemMetrics
from pipeline.tracking.mlflow_runs import RunAddress, attempt, close_run, open_run

FOLLOW_SECONDS = 1.0


class MlflowRunProcess:
    """Opens the run of a stage at once, in the background; to be told how the stage ended."""

    def __init__(self, root: Path, **arguments: Any) -> None:
        self._address: RunAddress | None = None
        self._has_address = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.jobs.mlflow_run_process", json.dumps(arguments)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a signal to the group of the job is not for it
        )

    @property
    def address(self) -> RunAddress | None:
        """The run; waits until it is open. None if MLflow is in trouble."""
        if not self._has_address:
            assert self._process.stdout
            fields = json.loads(self._process.stdout.readline() or "null")
            self._address = RunAddress(**fields) if fields else None
            self._has_address = True
        return self._address

    def close(self, status: str) -> None:
        """Ends the run: FINISHED or FAILED. A job that ends without this was KILLED."""
        assert self._process.stdin
        for stream in (sys.stdout, sys.stderr):  # it copies the log a last time
            stream.flush()
        try:
            self._process.communicate(status, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            print("MLflow does not answer; its run stays open", file=sys.stderr)


def main(arguments: dict[str, Any]) -> None:
    """Opens a run, tells its address, waits for the status or for the end of the job."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ray sends it to all descendants of a job
    artifacts = Path(arguments.pop("artifacts"))
    opened = attempt(lambda: open_run(artifacts=artifacts, **arguments))
    print(json.dumps(asdict(opened[0]) if opened else None), flush=True)
    report = AttemptReport(Path.cwd(), arguments["stage"], opened[0] if opened else None)
    load = SystemMetrics(opened[0] if opened else None)
    while not select.select([sys.stdin], [], [], FOLLOW_SECONDS)[0]:
        report.follow()
        load.follow()
    status = sys.stdin.readline().strip() or "KILLED"
    if opened:
        attempt(lambda: close_run(opened[0], status))
    report.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
