"""MLflow runs of a reproduction and its stages: opened, known again, ended."""

import contextlib
import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.tracking.reproduction import CHANGES, STATE, name_reproduction, write_note
from pipeline.tracking.trouble import describe_trouble

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "mimic3d"
OURS = "mimic3d.experiment"
"""Tag of the experiment that holds the runs, by which it is known after a person renamed it."""
UI_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # else the UI opens its GenAI pages
CHATTY = ("mlflow.store.db.utils", "urllib3.connectionpool")
"""Loggers that print a traceback or a line per try for what `attempt` tells in one sentence."""

T = TypeVar("T")


@dataclass(frozen=True)
class RunAddress:
    """Address of the MLflow run of a stage; plain text, so it travels to other processes."""

    uri: str
    run_id: str
    parent_id: str
    stage: str


def connect(uri: str) -> "MlflowClient":
    """A client that gives up within seconds instead of minutes when the server is away."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    from mlflow import MlflowClient

    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return MlflowClient(uri, registry_uri=uri)


def open_run(
    uri: str,
    artifacts: Path,
    stage: str,
    reproduction: str,
    fingerprint: str,
    tags: dict[str, str],
    reopen: bool = False,
) -> RunAddress:
    """Run of a stage below the run of its reproduction; an unfinished one is opened again.

    `artifacts` is where a local store keeps files; a server decides that itself. With `reopen`, a
    finished one is opened again, too.
    """
    client = connect(uri)
    experiment = find_experiment(client) or _create_experiment(client, uri, artifacts)
    with contextlib.suppress(Exception):  # an experiment of a former version gets its tag
        client.set_experiment_tag(experiment, OURS, "runs")
    name = name_reproduction(reproduction, tags.get(CHANGES, ""))
    common = {**tags, "reproduction": reproduction}
    parent = _find(client, experiment, _keys_of_parent(reproduction))
    if parent is None:
        parent = _create(client, experiment, name, {**common, "level": "reproduction"})
    keys = _keys_of_run(parent, stage, fingerprint)
    run_id = _find(client, experiment, keys, unfinished=not reopen)
    if run_id is None:
        run_id = _create(client, experiment, stage, {**common, **keys, "level": "stage"})
    for each in (parent, run_id):
        client.update_run(each, status="RUNNING")
    client.set_tag(parent, STATE, f"{stage} RUNNING")
    return RunAddress(uri, run_id, parent, stage)


@dataclass(frozen=True)
class RunRequest:
    """Arguments of `open_run` as plain text; the run may be open already or not."""

    uri: str
    artifacts: str
    stage: str
    reproduction: str
    fingerprint: str
    tags: dict[str, str]
    reopen: bool = False

    def open(self) -> RunAddress:
        """Opens the run."""
        return open_run(**{**asdict(self), "artifacts": Path(self.artifacts)})

    def find(self, unfinished: bool = True) -> RunAddress | None:
        """The run, if it is there already."""
        client = connect(self.uri)
        experiment = find_experiment(client)
        if experiment is None:
            return None
        parent = _find(client, experiment, _keys_of_parent(self.reproduction))
        if parent is None:
            return None
        keys = _keys_of_run(parent, self.stage, self.fingerprint)
        run_id = _find(client, experiment, keys, unfinished and not self.reopen)
        return RunAddress(self.uri, run_id, parent, self.stage) if run_id else None


def find_experiment(client: "MlflowClient") -> str | None:
    """Id of the experiment that holds the runs, under whatever name; None if there is none.

    One that was deleted is none: only a person restores it.
    """
    ours = client.search_experiments(
        filter_string=f"tags.`{OURS}` = 'runs'", order_by=["creation_time ASC"], max_results=1
    )
    if ours:
        return ours[0].experiment_id
    known = client.get_experiment_by_name(EXPERIMENT)
    is_active = known is not None and known.lifecycle_stage == "active"
    return known.experiment_id if known and is_active else None


def close_run(address: RunAddress, status: str) -> None:
    """Ends the run of a stage and that of its reproduction: FINISHED, FAILED or KILLED.

    Runs below it that nobody ended, such as trials of a sweep that was killed, end with it. What a
    person deleted stays as it is.
    """
    client = connect(address.uri)
    experiment = client.get_run(address.run_id).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{address.run_id}' and attributes.status = 'RUNNING'"
    left = [run.info.run_id for run in client.search_runs([experiment], below)]
    for each in (*left, address.run_id, address.parent_id):
        with _unless_deleted():
            client.set_terminated(each, status)
    with _unless_deleted():
        client.set_tag(address.parent_id, STATE, f"{address.stage} {status}")
        write_note(client, address.parent_id)


def attempt(call: Callable[[], T], quiet: bool = False) -> tuple[T] | None:
    """Result of the call, in a tuple; None and a warning on stderr when MLflow is in trouble."""
    try:
        return (call(),)
    except Exception as error:  # whatever breaks in a tracking store, training goes on
        if not quiet:
            print(f"{describe_trouble(error).sentence}; the stage goes on", file=sys.stderr)
        return None


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Groups of parameters as pairs of dotted key and value."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@contextlib.contextmanager
def _unless_deleted() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if describe_trouble(error).kind not in ("deleted", "gone"):
            raise


def _create_experiment(client: "MlflowClient", uri: str, artifacts: Path) -> str:
    """A new experiment; where one of that name was deleted, under the next name."""
    name, number = EXPERIMENT, 1
    while client.get_experiment_by_name(name):
        number += 1
        name = f"{EXPERIMENT}-{number}"
    if number > 1:
        print(
            f"MLflow's experiment {EXPERIMENT} was deleted, so runs go to a new one, {name}; "
            f"`mlflow experiments restore` brings the old one back",
            file=sys.stderr,
        )
    location = None if uri.startswith("http") else artifacts.as_uri()
    try:
        return client.create_experiment(name, location, {**UI_TAGS, OURS: "runs"})
    except Exception:  # another stage may have been faster by a moment
        if experiment := find_experiment(client):
            return experiment
        raise


def _keys_of_parent(reproduction: str) -> dict[str, str]:
    return {"reproduction": reproduction, "level": "reproduction"}


def _keys_of_run(parent: str, stage: str, fingerprint: str) -> dict[str, str]:
    return {"fingerprint": fingerprint, "stage": stage, "mlflow.parentRunId": parent}


def _find(
    client: "MlflowClient", experiment: str, tags: dict[str, str], unfinished: bool = False
) -> str | None:
    conditions = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    if unfinished:
        conditions.append("attributes.status != 'FINISHED'")
    runs = client.search_runs([experiment], " and ".join(conditions), max_results=1)
    return runs[0].info.run_id if runs else None


def _create(client: "MlflowClient", experiment: str, name: str, tags: dict[str, str]) -> str:
    all_tags = {"mlflow.user": getpass.getuser(), **tags}
    return client.create_run(experiment, tags=all_tags, run_name=name).info.run_id
