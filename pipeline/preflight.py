"""Checks before Ray starts and before DVC removes the outputs of a stage."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from pipeline.cluster import FILE, Address, Settings, find_address, load_node_types, tracking_uri
from pipeline.stage import check_alone, validate
from pipeline.workers.placement import check_room, refuse_impossible, share_of_machine
from pipeline.workers.process_count import count_gpus


def check_stages(root: Path, settings: Settings, changed: Sequence[str] | None) -> None:
    """Checks all stages that DVC may run: the inputs, too, of the first; None: nobody knows which.

    Raises:
        ValueError: one line per mistake.
    """
    stages = [each for each in settings.local if changed is None or each in changed]
    address = find_address(settings, os.environ)
    mistakes: list[str] = []
    for stage in stages:
        is_first = changed is not None and stage == stages[0]
        try:
            validate(stage, root) if is_first else check_alone(stage, root)
            check_resources(stage, root, settings, address)
        except ValueError as error:
            mistakes += [line for line in str(error).splitlines() if line not in mistakes]
    try:
        tracking_uri(settings, root, os.environ)
    except ValueError as error:
        mistakes.append(str(error))
    if mistakes:
        raise ValueError("\n".join(mistakes))


def check_resources(stage: str, root: Path, settings: Settings, address: Address | None) -> None:
    """Checks what a stage asks of this machine, or of a cluster that says what it can add.

    Raises:
        ValueError: it can never be given.
    """
    is_local = address is None or address.is_local
    workers = settings.workers_of(stage, is_local)
    if workers.machines == 0:
        return
    if is_local:
        gpus, memory = count_gpus(), psutil.virtual_memory().total
        check_room(workers, {"GPU": float(gpus), "memory": float(memory)})
    elif address and address.source == FILE and workers.gpus != "auto":
        share = share_of_machine(workers, workers.gpus > 0, {})
        refuse_impossible(share, [], load_node_types(root))


def changed_stages(root: Path, targets: Sequence[str]) -> list[str] | None:
    """Stages that DVC would run, those of targets and before; all if there are none.

    None: DVC could not say.
    """
    chosen = ["--with-deps", *targets] if targets else []
    command = [sys.executable, "-m", "dvc", "status", "--json", *chosen]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return [name.rpartition(":")[2] for name in json.loads(done.stdout or "null") or {}]
