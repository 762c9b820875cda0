"""The log of one attempt at a stage, copied from Ray's as it grows; progress and secrets left out.

Ray sends the lines of all workers to the log of the job, so there is one file per attempt.
"""

import fcntl
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.jobs.follow import WORKER_PREFIX
from pipeline.project import ProjectPaths
from pipeline.redaction import redact
from pipeline.tracking.tracker import PROGRESS

MAX_BYTES = 10_000_000
"""Largest size of one log; from there on its first half is dropped."""
KEPT = 20
"""Logs per stage; older ones are deleted here, MLflow keeps its copies."""


class AttemptLog:
    """A file below .pipeline/logs/<stage>/ that grows with the log of a job."""

    def __init__(self, root: Path, stage: str, number: int, source: BinaryIO, secrets: list[str]):
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = ProjectPaths(root).logs(stage) / f"{started}-{number}.log"
        self.progress: dict[str, Any] | None = None
        """Progress that the stage reported last."""
        self._source = source
        self._secrets = secrets
        self._rest = b""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        for old in sorted(self.path.parent.glob("*.log"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def read_on(self, is_last: bool = False) -> None:
        """Copies what was added since the last call: whole lines, at the end also half a one."""
        *lines, self._rest = (self._rest + self._source.read()).split(b"\n")
        if is_last and self._rest:
            lines.append(self._rest)
        kept = [text for line in lines if (text := self._keep(line)) is not None]
        if kept:
            with self.path.open("a") as file:
                file.writelines(text + "\n" for text in kept)
            self._limit()

    def _keep(self, line: bytes) -> str | None:
        text = line.decode(errors="replace").rstrip("\r")
        plain = WORKER_PREFIX.sub("", text)
        if not plain.startswith(PROGRESS):
            return redact(text, self._secrets)
        try:
            self.progress = json.loads(plain.removeprefix(PROGRESS))
        except ValueError:  # a killed worker left half a line
            return redact(text, self._secrets)
        return None

    def _limit(self) -> None:
        if self.path.stat().st_size > MAX_BYTES:
            _, _, late = self.path.read_bytes()[-MAX_BYTES // 2 :].partition(b"\n")
            self.path.write_bytes(b"[earlier lines were dropped]\n" + late)


def open_own_log() -> BinaryIO | None:
    """The file that this process's stderr goes to, from its beginning; None if it is no file."""
    if not stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode):
        return None
    path = f"/proc/self/fd/{sys.stderr.fileno()}"
    if sys.platform == "darwin":
        name = fcntl.fcntl(sys.stderr.fileno(), fcntl.F_GETPATH, bytes(1024))
        path = name.rstrip(b"\0").decode()
    try:
        return open(path, "rb")
    except OSError:
        return None
