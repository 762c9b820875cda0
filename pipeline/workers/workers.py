"""Ray Train workers that call a stage; a worker that dies is replaced and the stage resumes."""

import functools
import logging
import os
import shutil
import signal
import sysconfig
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pipeline.stage
from pipeline.cluster import Workers, load_node_types
from pipeline.preemption import PreemptedError, add_preemption_check
from pipeline.project import ProjectPaths
from pipeline.storage.remote_run import RemoteRun
from pipeline.tracking.tracker import RelayTracker, SilentTracker, Tracker
from pipeline.workers.failures import StageError, restartable
from pipeline.workers.placement import place
from pipeline.workers.restarts import DiedError, LeftError, find_states, run_until_done

COLLECTIVE_SECONDS = 7200
STARTS = 5  # attempts of a minute each to start workers on machines that had room
CLOSE_SECONDS = 60.0  # for reports that a tracking server away at the end of a stage has not got
HURRY_SECONDS = 2.0  # the same when the machine is about to go

OpenTracker = Callable[[], Tracker]
"""Opens a tracker in whatever process it has travelled to."""
FindTracker = Callable[[], OpenTracker | None]
"""Waits until it is known where to report. None: progress only."""


def run_stage(
    stage: str,
    root: Path,
    find_tracker: FindTracker,
    workers: Workers,
    is_local: bool,
    remote: RemoteRun | None = None,
) -> None:
    """Runs a stage to its end, on Ray Train workers or, with 0 of them, in this process.

    It reads and writes below `root`, which all machines see, or else in the remote.

    Raises:
        ValueError: what the stage has to say to its user.
    """
    if workers.num_workers == 0:
        tracker = _tracker(find_tracker())
        try:
            _work(stage, root, tracker, True, remote, f"{stage}-{uuid.uuid4().hex[:8]}")
        finally:
            tracker.close(CLOSE_SECONDS)
        return

    def attempt() -> None:
        name = f"{stage}-{uuid.uuid4().hex[:8]}"
        try:
            _fit(name, stage, root, find_tracker, workers, is_local, remote)
        finally:
            _clear(root, remote, name)

    states = functools.partial(find_states, root, stage)
    if remote:
        states = functools.partial(remote.find_states, stage)
    run_until_done(attempt, stage, states, workers.retries, workers.pause_seconds, root)


def _fit(
    name: str,
    stage: str,
    root: Path,
    find_tracker: FindTracker,
    workers: Workers,
    is_local: bool,
    remote: RemoteRun | None,
) -> None:
    import ray
    from ray.train import ControllerError, FailureConfig, LoggingConfig, RunConfig, WorkerGroupError
    from ray.train.torch import TorchTrainer
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
    from ray.train.v2.api.exceptions import PreemptionError

    from pipeline.workers.process_group import PreemptibleTorchConfig

    if not ray.is_initialized():
        ray.init(address="auto", logging_level=logging.WARNING)
        signal.signal(
            signal.SIGTERM, lambda number, _: os._exit(128 + number)
        )  # not Ray's slow way
    scaling = place(workers, ray.cluster_resources(), is_local, load_node_types(Path.cwd()))
    filesystem, path = remote.scratch_of_ray() if remote else (None, str(_storage(root)))
    trainer = TorchTrainer(
        _train,
        train_loop_config={
            "stage": stage,
            "root": str(root),
            "open_tracker": find_tracker(),
            "remote": remote,
            "attempt": name,
        },
        torch_config=PreemptibleTorchConfig(
            timeout_s=COLLECTIVE_SECONDS, grace_seconds=workers.grace_seconds
        ),
        scaling_config=scaling,
        run_config=RunConfig(
            name=name,
            storage_path=path,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(
                max_failures=0,  # Ray would retry mistakes of users too,
                max_preemption_failures=0,  # on the machines of the first time
                controller_failure_limit=STARTS if scaling.label_selector else -1,
            ),
            logging_config=LoggingConfig(log_level="WARNING"),
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        raise restartable(error.worker_failures.values()) or error from None
    except PreemptionError:
        raise LeftError("a machine was taken away") from None
    except ControllerError as error:
        if scaling.label_selector and isinstance(
            error.controller_failure, WorkerGroupStartupTimeoutError
        ):
            raise DiedError("machines with room went away") from None
        raise


def _train(config: dict[str, Any]) -> None:
    """Work of every worker; only the first reports."""
    import ray.train

    add_preemption_check(lambda: ray.train.get_preemption_info() is not None)
    root = Path(config["root"])
    is_first = ray.train.get_context().get_world_rank() == 0
    tracker = _tracker(config["open_tracker"]) if is_first else SilentTracker()
    try:
        _work(config["stage"], root, tracker, is_first, config["remote"], config["attempt"])
        tracker.close(CLOSE_SECONDS)
    except ValueError as error:
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)  # it would show a traceback
        tracker.close(CLOSE_SECONDS)
        raise StageError(str(error)) from None
    except PreemptedError:
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)
        tracker.close(HURRY_SECONDS)
        raise


def _work(
    stage: str, root: Path, tracker: Tracker, is_first: bool, remote: RemoteRun | None, attempt: str
) -> None:
    """Runs a stage in this process, in the folder that all machines see or in one of its own."""
    if remote is None:
        os.chdir(root)
        call_stage(stage, root, tracker)
        return
    with remote.open(attempt) as (root, sync):
        tracker.sync = sync
        call_stage(stage, root, tracker)
        if is_first:
            remote.publish(root, sync)


def call_stage(stage: str, root: Path, tracker: Tracker) -> None:
    """Runs a stage in this process.

    Raises:
        ValueError: what the stage has to say to its user; a bug is a RuntimeError.
    """
    try:
        pipeline.stage.run_stage(stage, root, tracker)
    except ValueError as error:
        if _is_ours(error):
            raise
        raise RuntimeError(f"{stage} failed in a library: {error}") from error


def _is_ours(error: ValueError) -> bool:
    """True if a line of this project raised it, to tell the user; else it is a bug to trace."""
    frames = traceback.extract_tb(error.__traceback__)
    file = frames[-1].filename if frames else ""
    return "site-packages" not in file and not file.startswith(sysconfig.get_path("stdlib"))


def _tracker(open_tracker: OpenTracker | None) -> Tracker:
    return open_tracker() if open_tracker else RelayTracker()


def _storage(root: Path) -> Path:
    return ProjectPaths(root).scratch("train")


def _clear(root: Path, remote: RemoteRun | None, name: str) -> None:
    """Removes what Ray Train wrote of one attempt."""
    if remote is None:
        shutil.rmtree(_storage(root) / name, ignore_errors=True)
    else:
        remote.clear_scratch_of_ray(name)
