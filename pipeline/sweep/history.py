"""The course of a trial so far, summed up from its event log."""

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.sweep.event_log import Event, EventLog
from pipeline.sweep.plan import SweepPlan

PROTOCOL = "protocol."
"""Prefix of tags of how a stage measures: only numbers with equal ones compare."""


@dataclass
class TrialHistory:
    """The events of a trial, summed up."""

    plan: SweepPlan
    scores: dict[int, float] = field(default_factory=dict)
    """The metric at every rung that was measured."""
    done: set[tuple[str, int]] = field(default_factory=set)
    """Stages that ran to their end, and at which rung."""
    metrics: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    """The last values that a stage reported, by stage and rung."""
    protocols: dict[str, dict[str, str]] = field(default_factory=dict)
    """Tags that say how a stage measures, by stage."""
    images: list[Event] = field(default_factory=list)
    """Pictures, oldest first."""
    nimg: int = 0
    """Images that the running stage has consumed."""
    stage: str = ""
    """The stage that runs, or ran last."""
    seconds: float = 0.0
    """Time in stages."""
    _started: float = 0.0
    _bases: dict[tuple[str, int], int] = field(default_factory=dict)
    _lasts: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Goes on with a line of the event log."""
        place = (event.get("stage", ""), event.get("rung", 0))
        match event["event"]:
            case "start":
                self.stage, self.nimg, self._started = place[0], 0, event["time"]
            case "metrics":
                self.nimg = event["nimg"]
                self.step(event)
                self.metrics.setdefault(place, {}).update(event["metrics"])
                self._score_at_thresholds(event)
            case "tags":
                tags = {
                    key: text for key, text in event["tags"].items() if key.startswith(PROTOCOL)
                }
                self.protocols.setdefault(place[0], {}).update(tags)
            case "image":
                self.step(event)
                self.images.append(event)
            case "done":
                self.done.add(place)
                self.seconds += event["time"] - self._started
                self._score_at_end(*place)

    def step(self, event: Event) -> int:
        """Images that the stage of an event has consumed in this trial, over all its rungs.

        A stage that goes on at the next rung counts on by itself; one that starts again there
        counts from 0, and its images come on top of those before.
        """
        stage, rung, nimg = event["stage"], event["rung"], event["nimg"]
        if (stage, rung) not in self._bases:
            before = (stage, rung - 1)
            base = self._bases.get(before, 0)
            last = self._lasts.get(before, -1)
            self._bases[stage, rung] = base + max(last, 0) if nimg <= last else base
        self._lasts[stage, rung] = max(nimg, self._lasts.get((stage, rung), nimg))
        return self._bases[stage, rung] + nimg

    def last_picture(self) -> Path | None:
        """The newest of the first kind of picture that the last stage with pictures drew."""
        if not self.images:
            return None
        last = [image for image in self.images if image["stage"] == self.images[-1]["stage"]]
        same = [image for image in last if image["key"] == last[0]["key"]]
        return Path(same[-1]["path"])

    def _score_at_thresholds(self, event: Event) -> None:
        """The first value of the metric at or after every number of images of `asha.nimg`."""
        name = self.plan.metric_name
        if event["stage"] != self.plan.metric_stage or name not in event["metrics"]:
            return
        for rung, threshold in enumerate(self.plan.thresholds):
            if event["nimg"] >= threshold:
                self.scores.setdefault(rung, event["metrics"][name])

    def _score_at_end(self, stage: str, rung: int) -> None:
        """The last value of the metric, once all stages have ended at a rung."""
        measured = self.metrics.get((self.plan.metric_stage, rung), {})
        if stage == self.plan.stages[-1] and self.plan.metric_name in measured:
            score = measured[self.plan.metric_name]
            self.scores[rung + len(self.plan.thresholds)] = score


class HistoryReader:
    """The history of a trial that may be running: read on where the last reading ended."""

    def __init__(self, folder: Path, plan: SweepPlan) -> None:
        self._log = EventLog(folder)
        self._history = TrialHistory(plan)

    def read(self) -> TrialHistory:
        """The history up to now."""
        for event in self._log.read_new():
            self._history.add(event)
        return self._history
