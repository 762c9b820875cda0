"""Submits Ray jobs, attaches to those that run already, and follows them."""

import asyncio
import contextlib
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cluster import LOCAL, Address, Settings, tracking_uri
from pipeline.jobs.attempts import JOB
from pipeline.jobs.detached import Detached, forget, recall, remember
from pipeline.jobs.follow import Follower, connect
from pipeline.jobs.stop_with_parent import cancel_with_submitter
from pipeline.state_options import ANEW, CONTINUE

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

PASSED_ON = (
    *("DVC_EXP_NAME", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "NO_COLOR"),
    *("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION", ANEW, CONTINUE),
)
"""Variables a job gets from its submitter. Anyone on a cluster can read them: no secrets."""


def run_job(
    job_metadata: dict[str, str],
    command: list[str],
    threads: int,
    settings: Settings,
    address: Address,
    detach: bool = False,
    code: Path | None = None,
) -> int:
    """Exit code of the job that `job_metadata` describes, followed; submitted unless it runs.

    The job is `python -m command`; each of its processes has this many threads on this machine. It
    runs in job_metadata["root"], or else in a copy of the folder `code`.
    A job on a cluster ends with this process, unless it was told to `detach`.
    """
    client = connect(address)
    stage, root = job_metadata["stage"], Path.cwd()
    job = None if address.is_local else _find_running(client, job_metadata)
    detached = None if address.is_local else recall(root, stage)
    if detached and not job and "DVC_STAGE" not in os.environ:  # DVC removes outputs before a stage
        job = _find_ended(client, detached, job_metadata)
    if job:
        print(f"{stage}: attached to its job {job}", flush=True)
    job_metadata |= {"detached": "1"} if detach else {}
    submission = _submission(job_metadata, command, threads, settings, address, code)
    follower = Follower(client, address, stage, is_detached=bool(detached and detached.job == job))
    if detach:
        name = job or asyncio.run(follower.submit(submission))
        remember(root, Detached(stage, name, job_metadata["fingerprint"]))
        print(Detached(stage, name, job_metadata["fingerprint"]).advice)
        return 0
    tie = contextlib.nullcontext()
    if not address.is_local and not job:
        tie = cancel_with_submitter(address, str(submission["submission_id"]))
    with tie:
        exit_code = asyncio.run(follower.run(job, lambda: submission))
    if detached:
        forget(root, stage)
    return exit_code


def _submission(
    job_metadata: dict[str, str],
    command: list[str],
    threads: int,
    settings: Settings,
    address: Address,
    code: Path | None,
) -> dict[str, object]:
    """Arguments of Ray's submit_job."""
    command = [settings.python or sys.executable, "-m", *command]
    command += ["--local"] if address.is_local else []
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if address.is_local:  # Ray gives a job one thread, and each worker one for every core it asks
        environ.setdefault("OMP_NUM_THREADS", str(max(1, threads)))
        environ["TMPDIR"] = tempfile.gettempdir()  # not the short folder that the head has
    name = f"{job_metadata['stage']}-{job_metadata['fingerprint']}-{os.urandom(3).hex()}"
    environ |= {
        JOB: name,
        "GOMP_SPINCOUNT": "20000",  # threads that wait spinning cost a busy machine a factor of ten
        "MLFLOW_TRACKING_URI": tracking_uri(settings, Path.cwd(), os.environ),
        LOCAL: "1" if address.is_local else "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_COLOR_PREFIX": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # it shows every line twice
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0" if address.is_local else "1",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2" if address.is_local else "2",
    }
    entrypoint = f"exec {shlex.join(command)}"
    runtime: dict[str, object] = {"env_vars": environ}
    if code:
        runtime["working_dir"] = str(code)
    else:
        environ["PYTHONPATH"] = job_metadata["root"]
        entrypoint = f"cd {shlex.quote(job_metadata['root'])} && {entrypoint}"
    return {
        "entrypoint": entrypoint,
        "submission_id": name,
        "metadata": job_metadata,
        "runtime_env": runtime,
    }


def _find_running(client: "JobSubmissionClient", job_metadata: dict[str, str]) -> str | None:
    """A job that computes just this already; another one for the same outputs is an error."""
    for job in client.list_jobs():
        running = job.metadata or {}
        same_place = all(running.get(name) == job_metadata[name] for name in ("stage", "root"))
        if not same_place or job.status.is_terminal():
            continue
        if running.get("fingerprint") == job_metadata["fingerprint"]:
            return job.submission_id
        raise ValueError(
            f"job {job.submission_id} runs {job_metadata['stage']} in this folder with other "
            f"parameters or code; wait for it or end it with `ray job stop {job.submission_id}`"
        )
    return None


def _find_ended(
    client: "JobSubmissionClient", detached: Detached, job_metadata: dict[str, str]
) -> str | None:
    """The detached job of a stage if it has computed just this, and nobody has taken note yet."""
    is_same = detached.fingerprint == job_metadata["fingerprint"]
    known = {job.submission_id for job in client.list_jobs()} if is_same else set()
    return detached.job if detached.job in known else None
