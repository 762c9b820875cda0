"""What became of a trial so far, from its journal."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.sweep.journal import Entry

PROTOCOL = "protocol."
"""Tags that begin so say how a stage measures: only numbers with equal ones compare."""


@dataclass
class History:
    """The journal of a trial, summed up."""

    scores: dict[int, float] = field(default_factory=dict)
    """The metric at every rung that the trial reached."""
    done: set[tuple[str, int]] = field(default_factory=set)
    """Stages that ran to their end, and at which rung."""
    metrics: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """The last values that a stage reported, by stage and rung."""
    protocols: dict[str, dict[str, str]] = field(default_factory=dict)
    """By stage: tags that say how it measures."""
    images: list[Entry] = field(default_factory=list)
    """Pictures, oldest first."""
    nimg: int = 0
    """Images that the running stage has consumed."""
    stage: str = ""
    """The stage that runs, or ran last."""
    seconds: float = 0.0
    """Time in stages."""
    failure: str | None = None
    """Why the trial failed, in a sentence."""
    _started: float = 0.0
    _bases: dict[tuple[str, int], int] = field(default_factory=dict)
    _lasts: dict[tuple[str, int], int] = field(default_factory=dict)

    def add_all(self, entries: Iterable[Entry]) -> None:
        """Goes on with these lines of the journal."""
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Goes on with a line of the journal."""
        at = (entry.get("stage", ""), entry.get("rung", 0))
        match entry["event"]:
            case "start":
                self.stage, self.nimg, self._started = at[0], 0, entry["time"]
                self.failure = None
            case "metrics":
                self.nimg = entry["nimg"]
                self.step(entry)
                self.metrics.setdefault(at, {}).update(entry["metrics"])
            case "tags":
                tags = {
                    key: text for key, text in entry["tags"].items() if key.startswith(PROTOCOL)
                }
                self.protocols.setdefault(at[0], {}).update(tags)
            case "image":
                self.step(entry)
                self.images.append(entry)
            case "done":
                self.done.add(at)
                self.seconds += entry["time"] - self._started
            case "score":
                self.scores[entry["rung"]] = entry["value"]
            case "failed":
                self.failure = entry["message"]

    def step(self, entry: Entry) -> int:
        """Images that the stage of an entry has consumed in this trial, over all its rungs.

        A stage that goes on at the next rung counts on by itself; one that starts again there
        counts from 0, and its images come on top of those before.
        """
        stage, rung, nimg = entry["stage"], entry["rung"], entry["nimg"]
        if (stage, rung) not in self._bases:
            before = (stage, rung - 1)
            base = self._bases.get(before, 0)
            last = self._lasts.get(before, -1)
            self._bases[stage, rung] = base + max(last, 0) if nimg <= last else base
        self._lasts[stage, rung] = max(nimg, self._lasts.get((stage, rung), nimg))
        return self._bases[stage, rung] + nimg

    @property
    def rung(self) -> int:
        """The highest rung whose metric is known; -1 before the first."""
        return max(self.scores, default=-1)

    @property
    def score(self) -> float:
        """The metric at the highest rung; not a number before the first."""
        return self.scores.get(self.rung, math.nan)

    def best_picture(self) -> Path | None:
        """The newest of the first kind of picture that the last stage with pictures drew."""
        if not self.images:
            return None
        last = [image for image in self.images if image["stage"] == self.images[-1]["stage"]]
        same = [image for image in last if image["key"] == last[0]["key"]]
        return Path(same[-1]["path"])
