"""Runs a stage as a Ray job, on a cluster or on a head of its own; returns its exit code."""

import argparse
import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mimic3d.config import Config
from pipeline.cluster import (
    ADDRESS,
    FILE,
    Address,
    Settings,
    cores,
    find_address,
    load_settings,
    tracking_uri,
)
from pipeline.job import describe_code
from pipeline.jobs.detached import forget
from pipeline.jobs.head import HeadDiedError, local_head
from pipeline.jobs.locks import locked
from pipeline.jobs.submit import run_job
from pipeline.preflight import check_resources
from pipeline.run_key import run_key
from pipeline.stage import count_parts, has_states, require_stages, validate
from pipeline.state_options import StateOptions, add_options, find_continued, put_options
from pipeline.storage.remote_run import remote_run_of
from pipeline.storage.staging import collect, pack_code, plan_run, send_inputs
from pipeline.workers.process_count import count_processes
from pipeline.workspace import require_inputs


def main(argv: list[str] | None = None) -> int:
    """`python -m pipeline.run <stage>`, in the project folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d run", description=__doc__)
    parser.add_argument("stage", help="a module of stages/, such as pretrain")
    parser.add_argument(
        "--detach", action="store_true", help="leave the job alone on its cluster; see README"
    )
    add_options(parser)
    args = parser.parse_args(argv)
    stage, root = args.stage, Path.cwd()
    try:
        settings = load_settings(root)
        require_stages([stage], root)
        require_inputs(root, stage)
        cfg = validate(stage, root)
        check_resources(stage, root, settings, find_address(settings, os.environ))
        options = put_options(args, stage, has_states(stage))
        if not settings.storage:
            find_continued(options, root, stage)
        run = functools.partial(_run, stage, root, cfg, settings, options, args.detach)
        try:
            return run()
        except HeadDiedError as error:
            print(f"{stage}: {error}; starting it once more", file=sys.stderr, flush=True)
            return run()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (ConnectionError, RuntimeError) as error:
        print(f"{stage}: {error}", file=sys.stderr)
        return 1


def _run(
    stage: str, root: Path, cfg: Config, settings: Settings, options: StateOptions, detach: bool
) -> int:
    """Runs a stage whose parameters are sound; what it did before a head died is not lost."""
    with _reach(stage, settings, detach) as address:
        print(f"{stage}: on Ray at {address.url} ({address.source})", flush=True)
        key = run_key(stage, cfg.model_dump_json(), root, options)
        workers = settings.workers_of(stage, address.is_local)
        workers = workers.with_processes(count_processes(workers, count_parts(stage, cfg)))
        command = ["pipeline.job", stage, "--fingerprint", key]
        command += ["--processes", str(workers.per_machine)]
        threads = cores() // max(1, workers.num_workers)
        if settings.storage and not address.is_local:
            return _run_remotely(stage, root, key, threads, settings, address, detach)
        job_metadata = {"stage": stage, "root": str(root), "fingerprint": key}
        return run_job(job_metadata, command, threads, settings, address, detach)


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
    job_metadata = {"stage": stage, "root": remote.storage, "fingerprint": key}
    command = ["pipeline.job", stage, "--fingerprint", key, "--remote"]
    with tempfile.TemporaryDirectory() as folder:
        size = pack_code(root, Path(folder))
        sent = send_inputs(remote, plan | {"tags": describe_code(root)}, root)
        moved = f"{size / 1e6:.1f} MB of code go along, {sent / 1e6:.1f} MB of inputs went"
        print(f"{stage}: {moved} to {remote.storage}", flush=True)
        code = run_job(job_metadata, command, threads, settings, address, detach, Path(folder))
    if code == 0 and not detach and collect(remote, root) is None:
        raise RuntimeError(
            f"the job ended, but left no outputs of {remote.run} at {remote.storage}"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
