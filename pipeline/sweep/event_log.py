"""The event log of a trial: lines of JSON, safe from whatever ends the process of the trial."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.tracking.tracker import Tracker

NAME = "events.jsonl"

Event = dict[str, Any]


class EventLog:
    """The event log in a trial's folder; the trial alone appends to it, others read along."""

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

    def append(self, event: str, **values: Any) -> None:
        """Adds a line."""
        line = json.dumps({"event": event, "time": time.time(), **values}, default=str)
        with self.path.open("a") as file:
            file.write(line + "\n")

    def read_new(self) -> list[Event]:
        """Whole lines that were added since the last call."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            whole, _, _ = file.read().rpartition(b"\n")
        self.position += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.split(b"\n")] if whole else []

    @property
    def size(self) -> int:
        """Bytes of the file; 0 before the first event."""
        return self.path.stat().st_size if self.path.exists() else 0


@dataclass(frozen=True)
class EventLogAddress:
    """The event log of a trial and the stage it runs; plain text, which travels to processes."""

    folder: str
    stage: str
    rung: int

    def open_tracker(self) -> "EventLogTracker":
        """A tracker that writes into the event log."""
        return EventLogTracker(self)


class EventLogTracker(Tracker):
    """Reports to the event log of a trial; whoever runs the sweep passes it on to MLflow.

    Snapshots stay where they are: trials are no versions of a model.
    """

    def __init__(self, address: EventLogAddress) -> None:
        super().__init__()
        self._folder = Path(address.folder)
        self._log = EventLog(self._folder)
        self._place = {"stage": address.stage, "rung": address.rung}

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keeps the resolved parameters of a stage."""
        self._log.append("params", **self._place, params=params)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Keeps short facts about the run."""
        self._log.append("tags", **self._place, tags=dict(tags))

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Keeps the values."""
        numbers = {name: float(value) for name, value in metrics.items()}
        self._log.append("metrics", **self._place, nimg=nimg, metrics=numbers)

    def log_image(self, key: str, image: Image.Image, nimg: int) -> None:
        """Keeps a picture in the folder of the trial."""
        name = f"{self._place['stage']}-{key}-{self._place['rung']}-{nimg:09d}.png"
        path = self._folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        image.save(path)
        self._log.append("image", **self._place, nimg=nimg, key=key, path=str(path))

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Keeps note of a file or folder."""
        self._log.append("artifact", **self._place, path=str(path), folder=folder)

    def progress(self, done: float, total: float, text: str) -> None:
        """Shows nothing: many trials share a terminal."""
