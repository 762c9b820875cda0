"""MLflow runs of a reproduction and its stages: opened, known again, ended."""

import getpass
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.tracking.reproduction import CHANGES, STATE, name_reproduction, write_note
from pipeline.yaml_file import one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "mimic3d"
UI_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # else the UI opens its GenAI pages

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
    known = client.get_experiment_by_name(EXPERIMENT)
    location = None if uri.startswith("http") else artifacts.as_uri()
    experiment = (
        known.experiment_id if known else client.create_experiment(EXPERIMENT, location, UI_TAGS)
    )
    name = name_reproduction(reproduction, tags.get(CHANGES, ""))
    common = {**tags, "reproduction": reproduction}
    parent = _find(client, experiment, {"reproduction": reproduction, "level": "reproduction"})
    if parent is None:
        parent = _create(client, experiment, name, {**common, "level": "reproduction"})
    keys = {"fingerprint": fingerprint, "stage": stage, "mlflow.parentRunId": parent}
    run_id = _find(client, experiment, keys, unfinished=not reopen)
    if run_id is None:
        run_id = _create(client, experiment, stage, {**common, **keys, "level": "stage"})
    for each in (parent, run_id):
        client.update_run(each, status="RUNNING")
    client.set_tag(parent, STATE, f"{stage} RUNNING")
    return RunAddress(uri, run_id, parent, stage)


def close_run(address: RunAddress, status: str) -> None:
    """Ends the run of a stage and that of its reproduction: FINISHED, FAILED or KILLED.

    Runs below it that nobody ended, such as trials of a sweep that was killed, end with it.
    """
    client = connect(address.uri)
    experiment = client.get_run(address.run_id).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{address.run_id}' and attributes.status = 'RUNNING'"
    left = [run.info.run_id for run in client.search_runs([experiment], below)]
    for each in (*left, address.run_id, address.parent_id):
        client.set_terminated(each, status)
    client.set_tag(address.parent_id, STATE, f"{address.stage} {status}")
    write_note(client, address.parent_id)


def attempt(call: Callable[[], T], quiet: bool = False) -> tuple[T] | None:
    """Result of the call, in a tuple; None and a warning on stderr when MLflow is in trouble."""
    try:
        return (call(),)
    except Exception as error:  # whatever breaks in a tracking store, training goes on
        if not quiet:
            print(
                f"MLflow cannot be reached, the stage goes on: {one_line(error)}", file=sys.stderr
            )
        return None


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Groups of parameters as pairs of dotted key and value."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


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
