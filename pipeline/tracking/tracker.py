"""Reports of a stage while it runs; the base class draws progress and keeps nothing."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from pipeline.folder_sync import FolderSync

PROGRESS = "@progress"
"""First word of a log line that carries the progress of a stage as JSON."""

RELAY_SECONDS = 1.0


class Tracker:
    """Progress on stderr, and nothing else: what `python -m stages.<stage>` uses."""

    def __init__(self) -> None:
        self._bar = ProgressBar()
        self.sync = FolderSync()
        """Sync of folders that a restart needs; whoever runs the stage sets it."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keeps the resolved parameters; groups become dotted keys."""

    def log_choices(self, params: Mapping[str, Any]) -> None:
        """Keeps the parameters that differ from their defaults, for the list of reproductions."""

    def set_headlines(self, patterns: Sequence[str]) -> None:
        """Says which metrics stand for the stage in the list of reproductions, as in fnmatch."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Keeps short facts about the run."""

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Keeps one value of every metric at this many real images consumed."""

    def repeat_metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Keeps values of before a restart, by real images consumed, that were not kept then."""

    def log_image(self, key: str, image: Image.Image, nimg: int) -> None:
        """Keeps a picture at this many real images consumed."""

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Keeps a copy of a file, or of all that lies in a folder."""

    def log_snapshot(self, folder: Path, nimg: int) -> None:
        """Keeps a copy of a snapshot and registers it as a version of the stage's model."""

    def progress(self, done: float, total: float, text: str) -> None:
        """Shows how far the stage is; `text` says what it is doing, in a few words."""
        self._bar.show(done, total, text)

    def close(self, seconds: float = 0.0) -> None:
        """Ends the reports of a stage; waits this long at most until all have arrived."""


class SilentTracker(Tracker):
    """Keeps and shows nothing: every worker but the first."""

    def progress(self, done: float, total: float, text: str) -> None:
        """Shows nothing."""


class RelayTracker(Tracker):
    """Progress as marked lines on stdout, which the submitter of the job draws."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def progress(self, done: float, total: float, text: str) -> None:
        """Prints a marked line, at most one a second but always the last."""
        if time.monotonic() >= self._next or done >= total:
            self._next = time.monotonic() + RELAY_SECONDS
            record = json.dumps({"done": done, "total": total, "text": text})
            print(f"{PROGRESS} {record}", flush=True)


class ProgressBar:
    """A tqdm bar on a terminal; elsewhere a plain line now and then."""

    def __init__(self, plain_seconds: float = 15.0) -> None:
        self._bar: tqdm[Any] | None = None
        self._plain_seconds = plain_seconds
        self._next = 0.0
        self._first: tuple[float, float] | None = None  # time and what was done by then

    def show(self, done: float, total: float, text: str) -> None:
        """Draws the state; a stage that reached its total gets a fresh bar afterwards."""
        if not sys.stderr.isatty():
            self._show_plain(done, total, text)
            return
        if self._bar is None:
            self._bar = tqdm(total=total, initial=done, dynamic_ncols=True, unit_scale=True)
        self._bar.total = total
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self.close()

    def write(self, line: str) -> None:
        """Prints a line on stdout, above the bar."""
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line, file=sys.stdout)

    def close(self) -> None:
        """Leaves the bar as it stands and goes on below it."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show_plain(self, done: float, total: float, text: str) -> None:
        now = time.monotonic()
        if self._first is None or done < self._first[1]:
            self._first = now, done
        if now >= self._next or done >= total:
            self._next = now + self._plain_seconds
            speed = _speed(done - self._first[1], now - self._first[0], total - done)
            print(f"{text}: {done:g} of {total:g}{speed}", file=sys.stderr, flush=True)
        if done >= total:
            self._first = None


def _speed(num: float, seconds: float, left: float) -> str:
    """Speed and time left, of what was done since the first line; nothing without any."""
    if num <= 0 or seconds <= 0 or left <= 0:
        return ""
    minutes, rest = divmod(round(left * seconds / num), 60)
    hours, minutes = divmod(minutes, 60)
    return f", {num / seconds:.3g}/s, {hours}:{minutes:02}:{rest:02} left"
