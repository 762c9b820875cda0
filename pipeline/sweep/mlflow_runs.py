"""MLflow runs of the trials of a sweep, written from their event logs as these grow."""

import contextlib
import getpass
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.sweep.console import name_trial
from pipeline.sweep.event_log import Event, EventLog
from pipeline.sweep.history import TrialHistory
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import SweepTrial, TrialOutcome
from pipeline.tracking.mlflow_runs import RunAddress, connect, flatten
from pipeline.tracking.mlflow_tracker import StrictTracker

RECORDED = "event_log_bytes"
"""A tag: how much of the trial's event log the run has."""

STATUS: dict[TrialOutcome, str] = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "unfinished": "KILLED",
}


class TrialRun:
    """The run of one trial. Metrics are named stage/name, their step counts the stage's images."""

    def __init__(self, sweep: RunAddress, plan: SweepPlan, trial: SweepTrial) -> None:
        self._plan = plan
        self._log = EventLog(trial.folder)
        self._history = TrialHistory(plan)
        self._params: set[str] = set(plan.budget_keys)  # they rise, and MLflow's cannot change
        self._at_metric = 0
        self._address = _open(sweep, plan, trial)
        self._tracker = StrictTracker(self._address)
        self._waiting: deque[Callable[[], None]] = deque()
        self._log_params(trial.values)

    def write_new(self) -> None:
        """Passes on the events since the last call, and those before that MLflow did not take.

        Raises:
            Exception: MLflow is in trouble; what it has not got waits.
        """
        for event in self._log.read_new():
            known = len(self._history.scores)
            self._history.add(event)
            self._pass_on(event)
            for rung in list(self._history.scores)[known:]:
                self._log_metrics({"score": self._history.scores[rung]}, self._at_metric, event)
        while self._waiting:
            self._waiting[0]()
            self._waiting.popleft()

    def close(self, trial: SweepTrial) -> None:
        """Ends the run as the trial ended; to be called when all was passed on.

        Raises:
            Exception: MLflow is in trouble.
        """
        tags = {"outcome": trial.outcome, "rung": str(trial.rung)}
        tags[RECORDED] = str(self._log.position)
        if trial.failure:
            tags["failure"] = trial.failure
        self._tracker.set_tags(tags)
        run_id, status = self._address.run_id, STATUS[trial.outcome]
        connect(self._address.uri).set_terminated(run_id, status)

    def _pass_on(self, event: Event) -> None:
        match event["event"]:
            case "params":
                self._log_params(dict(flatten(event["params"])))
            case "tags":
                tags = {f"{event['stage']}.{k}": v for k, v in event["tags"].items()}
                self._waiting.append(lambda: self._tracker.set_tags(tags))
            case "metrics":
                step = self._history.step(event)
                if event["stage"] == self._plan.metric_stage:
                    self._at_metric = step
                metrics = {f"{event['stage']}/{k}": v for k, v in event["metrics"].items()}
                self._log_metrics(metrics, step, event)
            case "image":
                step = self._history.step(event)
                self._waiting.append(lambda: self._log_image(event, step))
            case "artifact" if Path(event["path"]).exists():
                path, folder = Path(event["path"]), event["folder"]
                self._waiting.append(lambda: self._tracker.log_artifact(path, folder))

    def _log_params(self, params: dict[str, Any]) -> None:
        fresh = {key: value for key, value in params.items() if key not in self._params}
        self._params |= fresh.keys()
        self._waiting.append(lambda: self._tracker.log_params(fresh))

    def _log_metrics(self, metrics: dict[str, float], step: int, event: Event) -> None:
        time_s = event["time"]  # when it was measured, not when MLflow takes it
        self._waiting.append(lambda: self._tracker.log_metrics(metrics, step, time_s))

    def _log_image(self, event: Event, step: int) -> None:
        with contextlib.suppress(FileNotFoundError), Image.open(event["path"]) as image:
            key = f"{event['stage']}/{event['key']}"
            self._tracker.log_image(key, image, step, event["time"])


def find_recorded(sweep: RunAddress, trials: Iterable[SweepTrial]) -> list[int]:
    """Numbers of the trials of which nothing is left to record."""
    client = connect(sweep.uri)
    experiment = client.get_run(sweep.run_id).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{sweep.run_id}' and attributes.status = 'FINISHED'"
    tags = [run.data.tags for run in client.search_runs([experiment], below)]
    sizes = {each.get("trial"): each.get(RECORDED) for each in tags}
    return [
        trial.number
        for trial in trials
        if sizes.get(str(trial.number)) == str(EventLog(trial.folder).size)
    ]


def _open(sweep: RunAddress, plan: SweepPlan, trial: SweepTrial) -> RunAddress:
    """The run of a trial below that of the sweep; one that is there already is opened again."""
    client = connect(sweep.uri)
    tags = {"mlflow.parentRunId": sweep.run_id, "level": "trial", "trial": str(trial.number)}
    user = {"mlflow.user": getpass.getuser()}
    experiment = client.get_run(sweep.run_id).info.experiment_id
    conditions = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    runs = client.search_runs([experiment], conditions, max_results=1)
    if runs:
        run_id = runs[0].info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        name = name_trial(plan, trial.number)
        run_id = client.create_run(experiment, tags=tags | user, run_name=name).info.run_id
    return RunAddress(sweep.uri, run_id, sweep.run_id, sweep.stage)
