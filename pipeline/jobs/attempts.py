"""Attempts at a stage: every submission is one; what MLflow is told about it."""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from pipeline.jobs.attempt_log import AttemptLog, open_own_log
from pipeline.redaction import secret_values
from pipeline.tracking.mlflow_runs import RunAddress, attempt, connect

JOB = "MIMIC3D_JOB"
"""Variable of a job: its submission id."""
ARTIFACTS = "logs"
PROGRESS_SECONDS = 10.0


def begin_attempt(address: RunAddress, environ: Mapping[str, str]) -> int:
    """Counts this attempt in the run's tags, and says there where it runs; from 1."""
    run = connect(address.uri).get_run(address.run_id)
    number = int(run.data.tags.get("attempt", 0)) + 1
    tags = {
        "attempt": str(number),
        "attempt.started": str(int(time.time() * 1000)),
        "node": socket.gethostname(),
        "ray.job": environ.get(JOB, "none"),
    }
    _set_tags(address, tags)
    return number


class AttemptReport:
    """Keeps the log of this job, and tells its MLflow run how far it is."""

    def __init__(self, root: Path, stage: str, address: RunAddress | None) -> None:
        self._address: RunAddress | None = None
        self._told: object = None
        self._next = 0.0
        self._log: AttemptLog | None = None
        number = self._count(address) if address else 0  # 0: only MLflow knows how many there were
        if source := open_own_log():
            self._log = AttemptLog(root, stage, number, source, secret_values(os.environ))
        self._tell_log()

    def begin(self, address: RunAddress) -> None:
        """Reports to a run that was opened late."""
        self._count(address)
        self._tell_log()

    def follow(self, is_last: bool = False) -> None:
        """Copies the log on, and passes on progress when there is news and it is time."""
        if self._log is None:
            return
        self._log.read_on(is_last)
        now, news = time.monotonic(), self._log.progress
        if news != self._told and (is_last or now >= self._next):
            self._next, self._told = now + PROGRESS_SECONDS, news
            self._tell({"progress": json.dumps(news)})

    def close(self) -> None:
        """Puts the whole log among the artifacts of the run."""
        self.follow(is_last=True)
        address, log = self._address, self._log
        if address and log:
            client = connect(address.uri)
            attempt(lambda: client.log_artifact(address.run_id, str(log.path), ARTIFACTS))

    def _count(self, address: RunAddress) -> int:
        """Number of this attempt in the run; 0 if MLflow is in trouble."""
        begun = attempt(lambda: begin_attempt(address, os.environ))
        self._address = address if begun else None
        return begun[0] if begun else 0

    def _tell_log(self) -> None:
        if self._log:
            path = self._log.path
            self._tell({"log": f"{ARTIFACTS}/{path.name}", "log.path": str(path)})

    def _tell(self, tags: dict[str, str]) -> None:
        if address := self._address:
            attempt(lambda: _set_tags(address, tags), quiet=True)


def _set_tags(address: RunAddress, tags: Mapping[str, str]) -> None:
    client = connect(address.uri)
    for key, value in tags.items():
        client.set_tag(address.run_id, key, value)
