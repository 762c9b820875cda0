"""MLflow runs of the trials of a sweep, written from their journals as these grow."""

import contextlib
import getpass
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from pipeline.sweep.console import name_trial
from pipeline.sweep.history import History
from pipeline.sweep.journal import Entry, Journal
from pipeline.sweep.ledger import Outcome, Trial
from pipeline.sweep.plan import Plan
from pipeline.tracking.mlflow_runs import RunAddress, attempt, connect, flatten
from pipeline.tracking.mlflow_tracker import MlflowTracker

RECORDED = "journal_bytes"
"""A tag: how much of the trial's journal the run has."""

STATUS: dict[Outcome, str] = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "unfinished": "KILLED",
}


class TrialRun:
    """The run of one trial. Metrics are named stage/name, their step counts the stage's images."""

    def __init__(self, sweep: RunAddress, plan: Plan, trial: Trial) -> None:
        self._plan = plan
        self._journal = Journal(trial.folder)
        self._history = History()
        self._params: set[str] = set(plan.budget_keys)  # they rise, and MLflow's cannot change
        self._at_metric = 0
        self._address = _open(sweep, plan, trial)
        self._tracker = MlflowTracker(self._address)
        self._tracker.log_params(self._new_params(trial.values))

    def read_on(self) -> None:
        """Passes on what the trial has told since the last call."""
        for entry in self._journal.read_on():
            self._history.add(entry)
            self._pass_on(entry)

    def close(self, trial: Trial) -> None:
        """Ends the run as the trial ended."""
        tags = {"outcome": trial.outcome, "rung": str(trial.history.rung)}
        tags[RECORDED] = str(self._journal.position)
        if trial.history.failure:
            tags["failure"] = trial.history.failure
        self._tracker.set_tags(tags)
        run_id, status = self._address.run_id, STATUS[trial.outcome]
        attempt(lambda: connect(self._address.uri).set_terminated(run_id, status))

    def _pass_on(self, entry: Entry) -> None:
        match entry["event"]:
            case "params":
                self._tracker.log_params(self._new_params(dict(flatten(entry["params"]))))
            case "tags":
                self._tracker.set_tags(
                    {f"{entry['stage']}.{k}": v for k, v in entry["tags"].items()}
                )
            case "metrics":
                step = self._history.step(entry)
                if entry["stage"] == self._plan.metric_stage:
                    self._at_metric = step
                metrics = {f"{entry['stage']}/{k}": v for k, v in entry["metrics"].items()}
                self._tracker.log_metrics(metrics, step)
            case "score":
                self._tracker.log_metrics({"score": entry["value"]}, self._at_metric)
            case "image":
                with contextlib.suppress(FileNotFoundError), Image.open(entry["path"]) as image:
                    key = f"{entry['stage']}/{entry['key']}"
                    self._tracker.log_image(key, image, self._history.step(entry))
            case "artifact" if Path(entry["path"]).exists():
                self._tracker.log_artifact(Path(entry["path"]), entry["folder"])

    def _new_params(self, params: dict[str, object]) -> dict[str, object]:
        fresh = {key: value for key, value in params.items() if key not in self._params}
        self._params |= fresh.keys()
        return fresh


def find_recorded(sweep: RunAddress, trials: Iterable[Trial]) -> list[int]:
    """Numbers of the trials of which nothing is left to record."""
    client = connect(sweep.uri)
    experiment = client.get_run(sweep.run_id).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{sweep.run_id}' and attributes.status = 'FINISHED'"
    tags = [run.data.tags for run in client.search_runs([experiment], below)]
    sizes = {each.get("trial"): each.get(RECORDED) for each in tags}
    return [
        trial.number
        for trial in trials
        if sizes.get(str(trial.number)) == str(Journal(trial.folder).path.stat().st_size)
    ]


def _open(sweep: RunAddress, plan: Plan, trial: Trial) -> RunAddress:
    """The run of a trial below that of the sweep; one that is there already is opened again."""
    client = connect(sweep.uri)
    tags = {"mlflow.parentRunId": sweep.run_id, "level": "trial", "trial": str(trial.number)}
    user = {"mlflow.user": getpass.getuser()}
    experiment = client.get_run(sweep.run_id).info.experiment_id
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found = client.search_runs([experiment], wanted, max_results=1)
    if found:
        run_id = found[0].info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        name = name_trial(plan, trial.number)
        run_id = client.create_run(experiment, tags=tags | user, run_name=name).info.run_id
    return RunAddress(sweep.uri, run_id, sweep.run_id, sweep.stage)
