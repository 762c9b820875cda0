"""Journal of what a stage reports to MLflow, on disk until MLflow has it.

A process that is killed while MLflow is away, or a stage that ends before it is back, loses
nothing: the next process of the run, or else the next stage of the folder, delivers what is left,
with the times at which it was reported.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from mimic3d.content_hash import text_hash
from pipeline.tracking.mlflow_runs import RunRequest, close_run
from pipeline.tracking.mlflow_tracker import MlflowTracker, StrictTracker

MAX_BYTES = 1 << 16
"""Size from which a journal whose content was delivered is emptied."""

Row = dict[str, Any]
"""A report: its kind and its arguments."""


class ReportJournal:
    """Journal of one run: its request in the first line, then a row per report.

    The process that reports to the run holds a lock on it.

    Raises:
        OSError: another process holds it, or nothing can be written there.
    """

    def __init__(self, folder: Path, request: RunRequest) -> None:
        self.path = journal_path(folder, request)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._request = request
        self._file = self.path.open("a+")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.left = read_rows(self.path)
        """Rows that an earlier process of the run left."""
        content = self.path.read_text()
        if not content:
            self._write({"request": asdict(request)})
        elif not content.endswith("\n"):  # half a line of a killed process
            self._file.write("\n")

    def add(self, row: Row) -> None:
        """Adds a row."""
        self._write(row)

    def add_image(self, key: str, image: Image.Image, nimg: int) -> Row:
        """Adds a picture, as a file beside the journal."""
        path = _images(self.path) / f"{text_hash(key)[:8]}-{nimg:09d}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
        row = {"kind": "images", "key": key, "path": str(path), "nimg": nimg, "time_s": time.time()}
        self._write(row)
        return row

    def clear(self, min_bytes: int = MAX_BYTES) -> None:
        """Empties a journal of at least this size, all of which was delivered."""
        if os.fstat(self._file.fileno()).st_size >= min_bytes:
            self._file.truncate(0)
            shutil.rmtree(_images(self.path), ignore_errors=True)
            self._write({"request": asdict(self._request)})

    def close(self, is_delivered: bool) -> None:
        """Ends the journal; one that was delivered is removed."""
        if is_delivered:
            _remove(self.path)
        self._file.close()

    def _write(self, content: Row) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end a stage that still runs
            self._file.write(json.dumps(content, default=str) + "\n")
            self._file.flush()


def send_row(tracker: MlflowTracker, row: Row) -> None:
    """Reports what a row holds; files that changed since are left out."""
    match row["kind"]:
        case "headlines":
            tracker.set_headlines(row["patterns"])
        case "params":
            tracker.log_params(row["params"])
        case "choices":
            tracker.log_choices(row["params"])
        case "tags":
            tracker.set_tags(row["tags"])
        case "metrics":
            tracker.log_metrics(row["metrics"], row["nimg"], row["time_s"])
        case "images" if Path(row["path"]).exists():
            with Image.open(row["path"]) as image:
                tracker.log_image(row["key"], image, row["nimg"], row["time_s"])
        case "files" if file_signature(Path(row["path"])) == row["signature"]:
            tracker.log_artifact(Path(row["path"]), row["folder"])
        case "snapshot" if file_signature(Path(row["path"])) == row["signature"]:
            tracker.log_snapshot(Path(row["path"]), row["nimg"])


def file_signature(path: Path) -> str:
    """Hash of names, sizes and times of a file, or of all files of a folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return text_hash(json.dumps(stats))[:16]


def deliver_left(folder: Path, uri: str, own: RunRequest) -> None:
    """Delivers journals for this store that no process holds, but for that of the own run.

    A run that was never opened is opened now; each gets the status that is noted.
    """
    for path in sorted(folder.glob("*.jsonl")):
        if path == journal_path(folder, own):
            continue
        with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            request, rows = read_request(path), read_rows(path)
            if request and request.uri == uri:
                _deliver(request, rows)
                _remove(path)


def note_status(folder: Path, request: RunRequest, status: str) -> None:
    """Notes the end of a run that MLflow could not be told."""
    with contextlib.suppress(OSError):
        journal = ReportJournal(folder, request)
        journal.add({"kind": "status", "status": status})
        journal.close(is_delivered=False)


def journal_path(folder: Path, request: RunRequest) -> Path:
    """Path of the journal of a run; the same for all its attempts."""
    store = text_hash(request.uri)[:6]
    return folder / f"{request.stage}-{request.reproduction}-{request.fingerprint}-{store}.jsonl"


def read_rows(path: Path) -> list[Row]:
    """Rows of a journal; half a line of a killed process is no row."""
    return [content for content in _lines(path) if "kind" in content]


def read_request(path: Path) -> RunRequest | None:
    """Request of a journal; None if the file is none."""
    fields = next(_lines(path), {}).get("request")
    return RunRequest(**fields) if fields else None


def _deliver(request: RunRequest, rows: list[Row]) -> None:
    run = request.find(unfinished=False)
    statuses = [row["status"] for row in rows if row["kind"] == "status"]
    if run is None:
        run, statuses = request.open(), statuses or ["KILLED"]
    tracker = StrictTracker(run)
    for row in rows:
        send_row(tracker, row)
    if statuses:
        close_run(run, statuses[-1])


def _images(path: Path) -> Path:
    return path.with_suffix(".images")


def _remove(path: Path) -> None:
    shutil.rmtree(_images(path), ignore_errors=True)
    path.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[Row]:
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                content = json.loads(line)
                if isinstance(content, dict):
                    yield content
