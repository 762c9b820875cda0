"""Stages that run or ran: Ray tells of the jobs, MLflow of the runs, DVC of what is locked."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from pipeline.cluster import Address, Settings, find_address, tracking_uri
from pipeline.jobs.heads import find_heads
from pipeline.jobs.jobs_api import find_token, list_jobs
from pipeline.tracking.mlflow_runs import connect, find_experiment
from pipeline.yaml_file import one_line

if TYPE_CHECKING:
    from mlflow.entities import Run

UI = "http://127.0.0.1:5000"
"""Address at which `make ui` shows a local store."""
LIVE = ("pending", "running")
STATES = {"stopped": "killed", "succeeded": "finished"}
"""Words of Ray for which MLflow has others."""


@dataclass(frozen=True)
class StageRow:
    """One stage that runs, or one run of it in the past."""

    stage: str
    state: str
    """pending, running; finished, failed, killed; lost: its process vanished; unknown: nobody
    answers who could tell; locked: only dvc.lock knows of it."""
    progress: dict[str, Any] | None = None
    attempt: int | None = None
    node: str | None = None
    started: str | None = None
    """ISO 8601, UTC."""
    seconds: float | None = None
    fingerprint: str | None = None
    """Identity of a run; attempts at the same run share it."""
    job: str | None = None
    ray_link: str | None = None
    mlflow_link: str | None = None
    log: str | None = None
    """Log of the last attempt, on its node."""


@dataclass(frozen=True)
class StatusReport:
    """Rows of the table, those that run first; and what could not be found out."""

    rows: list[StageRow]
    notes: list[str]


def collect_status(settings: Settings, root: Path, last: int) -> StatusReport:
    """Asks the heads and the cluster of this folder, its MLflow store and its dvc.lock."""
    notes: list[str] = []
    is_complete = True
    jobs: dict[str, StageRow] = {}
    for address, token in _addresses(settings, root):
        try:
            jobs |= {str(row.job): row for row in _jobs(address, token, root)}
        except ConnectionError as error:
            notes.append(str(error))
            is_complete = False
    try:
        runs = list(_runs(tracking_uri(settings, root, os.environ), last))
    except Exception as error:  # whatever breaks in a tracking store
        notes.append(f"MLflow cannot be reached: {one_line(error)}")
        runs = []
    rows = [_merge(row, _take_job(row, jobs), is_complete) for row in runs]
    rows = [row for row in jobs.values() if row.state in LIVE] + rows
    rows.sort(key=lambda row: (row.state in LIVE, row.started or ""), reverse=True)
    known = {row.stage for row in rows}
    rows += [StageRow(stage, "locked") for stage in _locked(root) if stage not in known]
    return StatusReport(rows, notes)


def _addresses(settings: Settings, root: Path) -> Iterator[tuple[Address, str | None]]:
    heads = find_heads(root)
    for head in heads:
        yield Address(head.url, "a head of this folder", is_local=False), head.token
    address = find_address(settings, os.environ)
    if address and address.url not in {head.url for head in heads}:
        yield address, find_token(os.environ)


def _jobs(address: Address, token: str | None, root: Path) -> Iterator[StageRow]:
    for job in list_jobs(address, token):
        metadata = job["metadata"] or {}
        if metadata.get("root") == str(root) and "stage" in metadata:
            state: str = job["status"].lower()
            yield StageRow(
                metadata["stage"],
                STATES.get(state, state),
                node=(job["driver_info"] or {}).get("node_ip_address"),
                started=_iso(job["start_time"]),
                seconds=_seconds(job["start_time"], job["end_time"]),
                fingerprint=metadata.get("fingerprint"),
                job=job["submission_id"],
                ray_link=f"{address.url}/#/jobs/{job['submission_id']}",
            )


def _runs(uri: str, last: int) -> Iterator[StageRow]:
    file = uri.removeprefix("sqlite:///")
    if file != uri and not Path(file).exists():  # connecting would make it
        return
    client = connect(uri)
    experiment = find_experiment(client)
    if experiment is None:
        return
    runs = client.search_runs(
        [experiment],
        "tags.level = 'stage'",
        max_results=last,
        order_by=["attributes.start_time DESC"],
    )
    base = uri if uri.startswith("http") else UI
    for run in runs:
        page = f"{base}/#/experiments/{experiment}/runs/{run.info.run_id}"
        yield _row_of_run(run, page)


def _row_of_run(run: "Run", page: str) -> StageRow:
    tags = run.data.tags
    began = int(tags.get("attempt.started", run.info.start_time or 0)) or None
    return StageRow(
        tags.get("stage", run.info.run_name or "?"),
        run.info.status.lower(),
        progress=json.loads(tags.get("progress", "null")),
        attempt=int(tags["attempt"]) if "attempt" in tags else None,
        node=tags.get("node"),
        started=_iso(began),
        seconds=_seconds(began, run.info.end_time),
        fingerprint=tags.get("fingerprint"),
        job=tags.get("ray.job"),
        mlflow_link=page,
        log=tags.get("log.path"),
    )


def _take_job(run: StageRow, jobs: dict[str, StageRow]) -> StageRow | None:
    """The job of a run's last attempt; a run that was opened this moment does not name it yet."""
    key = (run.stage, run.fingerprint)
    for name, job in jobs.items():
        is_new = (
            job.state in LIVE and run.state == "running" and key == (job.stage, job.fingerprint)
        )
        if name == run.job or is_new:
            return jobs.pop(name)
    return None


def _merge(run: StageRow, job: StageRow | None, is_complete: bool) -> StageRow:
    """Row of MLflow and of Ray for the same attempt; Ray knows better whether it runs."""
    if job is not None and job.state in LIVE:
        return replace(run, state=job.state, seconds=job.seconds, ray_link=job.ray_link)
    if run.state == "running":
        state = "lost" if is_complete else "unknown"
        return replace(run, state=job.state if job else state, seconds=job.seconds if job else None)
    return run


def _locked(root: Path) -> list[str]:
    path = root / "dvc.lock"
    content = YAML(typ="safe").load(path) if path.exists() else None
    return list((content or {}).get("stages", {}))


def _iso(milliseconds: int | None) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _seconds(begin: int | None, end: int | None) -> float | None:
    return ((end or time.time() * 1000) - begin) / 1000 if begin else None
