"""Runs a stage as a Ray job: submit or re-attach, follow, cancel, return its exit code."""

import argparse
import asyncio
import contextlib
import hashlib
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cluster import (
    ADDRESS,
    FILE,
    LOCAL,
    Address,
    Settings,
    cores,
    find_address,
    load_settings,
    tracking_uri,
)
from pipeline.job import describe_code
from pipeline.jobs.attempts import JOB
from pipeline.jobs.detached import Detached, forget, recall, remember
from pipeline.jobs.follow import Follower, connect
from pipeline.jobs.head import local_head
from pipeline.jobs.locks import locked
from pipeline.jobs.stop_with_parent import cancel_with_submitter
from pipeline.stage import validate
from pipeline.storage.remote_run import remote_run_of
from pipeline.storage.staging import collect, pack_code, plan_run, send_inputs

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

PASSED_ON = (
    *("DVC_EXP_NAME", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "NO_COLOR"),
    *("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION"),
)
"""Variables a job gets from its submitter. Anyone on a cluster can read them: no secrets."""


def main(argv: list[str] | None = None) -> int:
    """`python -m pipeline.run <stage>`, in the project folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d run", description=__doc__)
    parser.add_argument("stage", help="a module of stages/, such as pretrain")
    parser.add_argument(
        "--detach", action="store_true", help="leave the job alone on its cluster; see README"
    )
    args = parser.parse_args(argv)
    stage, root = args.stage, Path.cwd()
    try:
        settings = load_settings(root)
        if stage not in settings.local:
            raise ValueError(f"there is no stage {stage}; {FILE} has {', '.join(settings.local)}")
        params = validate(stage, root).model_dump_json()
        with _reach(stage, settings, args.detach) as address:
            print(f"{stage}: on Ray at {address.url} ({address.source})", flush=True)
            key = fingerprint(stage, params, root)
            command = ["pipeline.job", stage, "--fingerprint", key]
            threads = cores() // max(1, settings.workers_of(stage, address.is_local).num_workers)
            if settings.storage and not address.is_local:
                return _run_remotely(stage, root, key, threads, settings, address, args.detach)
            about = {"stage": stage, "root": str(root), "fingerprint": key}
            return run_job(about, command, threads, settings, address, args.detach)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (ConnectionError, RuntimeError) as error:
        print(f"{stage}: {error}", file=sys.stderr)
        return 1


def fingerprint(stage: str, params: str, root: Path) -> str:
    """What makes two runs of a stage the same: its parameters, the code, and what DVC locked."""
    digest = hashlib.sha256(f"{stage}\n{params}\n".encode())
    files = [*sorted(root.glob("stages/*.py")), *sorted(root.glob("mimic3d/**/*.py"))]
    for path in [*files, root / "dvc.lock"]:
        if path.is_file():
            digest.update(str(path.relative_to(root)).encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def _reach(stage: str, settings: Settings, detach: bool) -> Iterator[Address]:
    """The Ray that runs already, else a head on this machine for this one stage."""
    address = find_address(settings, os.environ)
    is_local = address is None or address.is_local
    if detach and is_local:
        raise ValueError(
            f"--detach needs a Ray that outlives this command, and there is only one on this "
            f"machine that ends with it; set metadata.pipeline.address in {FILE} or {ADDRESS}"
        )
    workers = settings.workers_of(stage, is_local)
    with contextlib.ExitStack() as stack:
        if is_local:  # a cluster knows itself which jobs it runs
            stack.enter_context(locked(Path.cwd(), stage, f"the stage {stage}"))
        if address is None:
            head = stack.enter_context(local_head(workers.min_cpus, Path.cwd()))
            address = head.address
        yield address


def _run_remotely(
    stage: str,
    root: Path,
    key: str,
    threads: int,
    settings: Settings,
    address: Address,
    detach: bool,
) -> int:
    """Runs a stage on machines that do not see this folder; what it made is here afterwards."""
    tracking_uri(settings, root, os.environ)  # before anything travels
    key, plan = plan_run(root, stage, key)
    remote = remote_run_of(settings, stage, key)
    if collect(remote, root) is not None:
        forget(root, stage)
        print(f"{stage}: fetched what a finished job had left at {remote.storage}", flush=True)
        return 0
    about = {"stage": stage, "root": remote.storage, "fingerprint": key}
    command = ["pipeline.job", stage, "--fingerprint", key, "--remote"]
    with tempfile.TemporaryDirectory() as folder:
        size = pack_code(root, Path(folder))
        sent = send_inputs(remote, plan | {"tags": describe_code(root)}, root)
        moved = f"{size / 1e6:.1f} MB of code go along, {sent / 1e6:.1f} MB of inputs went"
        print(f"{stage}: {moved} to {remote.storage}", flush=True)
        code = run_job(about, command, threads, settings, address, detach, Path(folder))
    if code == 0 and not detach and collect(remote, root) is None:
        raise RuntimeError(
            f"the job ended, but left no outputs of {remote.run} at {remote.storage}"
        )
    return code


def run_job(
    about: dict[str, str],
    command: list[str],
    threads: int,
    settings: Settings,
    address: Address,
    detach: bool = False,
    code: Path | None = None,
) -> int:
    """Follows the job that `about` describes, submitted unless it runs; returns its exit code.

    The job is `python -m command`; each of its processes has this many threads on this machine. It
    runs in about["root"], or else in a copy of the folder `code` that Ray makes on each machine.
    A job on a cluster ends with this process, unless it was told to `detach`.
    """
    client = connect(address)
    stage, root = about["stage"], Path.cwd()
    job = None if address.is_local else _find_running(client, about)
    detached = None if address.is_local else recall(root, stage)
    if detached and not job and "DVC_STAGE" not in os.environ:  # DVC removes outputs before a stage
        job = _find_ended(client, detached, about)
    if job:
        print(f"{stage}: attached to its job {job}", flush=True)
    about |= {"detached": "1"} if detach else {}
    submission = _submission(about, command, threads, settings, address, code)
    follower = Follower(client, stage, is_detached=bool(detached and detached.job == job))
    if detach:
        name = job or asyncio.run(follower.submit(submission))
        remember(root, Detached(stage, name, about["fingerprint"]))
        print(Detached(stage, name, about["fingerprint"]).advice)
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
    about: dict[str, str],
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
    name = f"{about['stage']}-{about['fingerprint']}-{os.urandom(3).hex()}"
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
        environ["PYTHONPATH"] = about["root"]
        entrypoint = f"cd {shlex.quote(about['root'])} && {entrypoint}"
    return {
        "entrypoint": entrypoint,
        "submission_id": name,
        "metadata": about,
        "runtime_env": runtime,
    }


def _find_running(client: "JobSubmissionClient", about: dict[str, str]) -> str | None:
    """A job that computes just this already; another one for the same outputs is an error."""
    for job in client.list_jobs():
        found = job.metadata or {}
        same_place = all(found.get(name) == about[name] for name in ("stage", "root"))
        if not same_place or job.status.is_terminal():
            continue
        if found.get("fingerprint") == about["fingerprint"]:
            return job.submission_id
        raise ValueError(
            f"job {job.submission_id} runs {about['stage']} in this folder with other parameters "
            f"or code; wait for it or end it with `ray job stop {job.submission_id}`"
        )
    return None


def _find_ended(
    client: "JobSubmissionClient", detached: Detached, about: dict[str, str]
) -> str | None:
    """The detached job of a stage if it has computed just this, and nobody has taken note yet."""
    is_same = detached.fingerprint == about["fingerprint"]
    known = {job.submission_id for job in client.list_jobs()} if is_same else set()
    return detached.job if detached.job in known else None


if __name__ == "__main__":
    sys.exit(main())
