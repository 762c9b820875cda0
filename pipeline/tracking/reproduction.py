"""The run of a reproduction, a row of MLflow's first table: name, state, links to results."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHANGES, STATE = "changes", "state"
"""Tags: parameters that differ from the commit, and the stage that ran last."""
NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run, in Markdown."""
HEADING = "#### Stages"
MAX_NAME = 100
SNAPSHOT = "snapshot"


def describe_changes(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """Parameters that differ, by dotted key: `pretrain.seed=2, imitate.loop.batch=8`."""
    changed = [f"{key}={now[key]}" for key in now if key not in before or before[key] != now[key]]
    return ", ".join([*changed, *(f"{key} left out" for key in before if key not in now)])


def name_reproduction(key: str, changes: str) -> str:
    """Name of the run: DVC's name of the experiment, then what was changed, by short keys."""
    short = re.sub(r"(?:\w+\.)+(\w+)(?==| left out)", r"\1", changes)
    parts = [part for part in (os.environ.get("DVC_EXP_NAME"), short) if part]
    name = ": ".join(parts) or f"reproduction {key[:7]}"
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."


def write_note(client: "MlflowClient", parent_id: str) -> None:
    """Lists the stages with links to snapshots and reports, unless a person wrote another text."""
    parent = client.get_run(parent_id)
    note = parent.data.tags.get(NOTE, "")
    if note and not note.startswith(HEADING):
        return
    below = f"tags.`mlflow.parentRunId` = '{parent_id}' and tags.level = 'stage'"
    runs = client.search_runs([parent.info.experiment_id], below, order_by=["start_time ASC"])
    lines = [" | ".join([_link(run), run.info.status, *_results(client, run)]) for run in runs]
    text = "\n".join(f"- {line}" for line in lines)
    client.set_tag(parent_id, NOTE, f"{HEADING}\n\n{text}")


def _link(run: "Run", title: str = "", path: str = "") -> str:
    place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    name = title or run.data.tags.get("stage", run.info.run_name or "run")
    return f"[{name}]({place}{f'/artifacts/{path}' if path else ''})"


def _results(client: "MlflowClient", run: "Run") -> Iterator[str]:
    """Links to the snapshot, and to the pages among the artifacts."""
    for entry in client.list_artifacts(run.info.run_id):
        if entry.path == SNAPSHOT:
            yield _link(run, SNAPSHOT, entry.path)
        elif entry.is_dir:
            for file in client.list_artifacts(run.info.run_id, entry.path):
                if file.path.endswith(".html"):
                    yield _link(run, file.path.rpartition("/")[2], file.path)
