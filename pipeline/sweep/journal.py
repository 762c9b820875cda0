"""What a trial tells of itself: lines of JSON, safe from whatever ends its process."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.tracking.tracker import Tracker

NAME = "journal.jsonl"

Entry = dict[str, Any]
Listener = Callable[[Mapping[str, float], int], None]
"""Hears metrics and the number of images at which they were measured."""


class Journal:
    """The journal in a trial's folder; the trial alone appends to it, others read along."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.position = 0
        """Bytes read so far."""

    def mend(self) -> None:
        """Cuts off the half line that a killed process may have left."""
        if self.path.exists():
            content = self.path.read_bytes()
            with self.path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)

    def append(self, event: str, **facts: Any) -> None:
        """Adds a line."""
        line = json.dumps({"event": event, "time": time.time(), **facts}, default=str)
        with self.path.open("a") as file:
            file.write(line + "\n")

    def read_on(self) -> list[Entry]:
        """Whole lines that were added since the last call."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            whole, _, _ = file.read().rpartition(b"\n")
        self.position += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.split(b"\n")] if whole else []


@dataclass(frozen=True)
class JournalAddress:
    """The journal of a trial and what it runs; plain text, so it travels to other processes."""

    folder: str
    stage: str
    rung: int

    def open_tracker(self) -> "JournalTracker":
        """A tracker that writes into the journal."""
        return JournalTracker(self)


class JournalTracker(Tracker):
    """Reports to the journal of a trial; whoever runs the sweep passes it on to MLflow.

    Snapshots stay where they are: trials are no versions of a model.
    """

    def __init__(self, address: JournalAddress, listener: Listener | None = None) -> None:
        super().__init__()
        self._folder = Path(address.folder)
        self._journal = Journal(self._folder)
        self._about = {"stage": address.stage, "rung": address.rung}
        self._listener = listener

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keeps the resolved parameters of a stage."""
        self._journal.append("params", **self._about, params=params)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Keeps short facts about the run."""
        self._journal.append("tags", **self._about, tags=dict(tags))

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Keeps the values, then tells the listener, who may end the trial."""
        numbers = {name: float(value) for name, value in metrics.items()}
        self._journal.append("metrics", **self._about, nimg=nimg, metrics=numbers)
        if self._listener:
            self._listener(numbers, nimg)

    def log_image(self, key: str, image: Image.Image, nimg: int) -> None:
        """Keeps a picture in the folder of the trial."""
        name = f"{self._about['stage']}-{key}-{self._about['rung']}-{nimg:09d}.png"
        path = self._folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        image.save(path)
        self._journal.append("image", **self._about, nimg=nimg, key=key, path=str(path))

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Keeps note of a file or folder."""
        self._journal.append("artifact", **self._about, path=str(path), folder=folder)

    def progress(self, done: float, total: float, text: str) -> None:
        """Shows nothing: many trials share a terminal."""
