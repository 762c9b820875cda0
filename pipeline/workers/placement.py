"""Which machines of a Ray cluster work on a stage, and what each of them gives."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.cluster import FILE, Workers, cores

if TYPE_CHECKING:
    from ray.train import ScalingConfig

PATIENCE_SECONDS = 30.0
NODE_ID = "ray.io/node-id"  # a label that Ray itself puts on every machine


def place(workers: Workers, available: Mapping[str, float], is_local: bool) -> "ScalingConfig":
    """Workers for Ray Train, just so many on each of just so many machines.

    Ray's placement groups know one machine (STRICT_PACK) and one worker per machine
    (STRICT_SPREAD); anything else names, for each worker, a machine that had room for its share.

    Raises:
        ValueError: this machine cannot give what is asked.
    """
    from ray.train import ScalingConfig

    use_gpu, resources = resources_of_worker(workers, available, is_local)
    strategy, machines = "STRICT_PACK", None
    if workers.machines > 1 and workers.per_machine == 1:
        strategy = "STRICT_SPREAD"
    elif workers.machines > 1:
        strategy = "PACK"
        bundle = resources or {}
        ids = find_machines(workers, {"GPU": 1.0, **bundle} if use_gpu else {"CPU": 1.0} | bundle)
        machines = [{NODE_ID: machine} for machine in ids for _ in range(workers.per_machine)]
    return ScalingConfig(
        num_workers=workers.num_workers,
        use_gpu=use_gpu,
        resources_per_worker=resources,
        placement_strategy=strategy,
        label_selector=machines,
    )


def resources_of_worker(
    workers: Workers, available: Mapping[str, float], is_local: bool
) -> tuple[bool, dict[str, float] | None]:
    """GPUs or not, and resources of one worker; checked here where nobody can add machines."""
    gpus = available.get("GPU", 0)
    use_gpu = gpus >= workers.num_workers if workers.gpus == "auto" else workers.gpus > 0
    if is_local:
        _check_room(workers, available)
    count = max(1, workers.per_machine)
    resources: dict[str, float] = {}
    if workers.cpus is not None:
        resources["CPU"] = workers.cpus / count
    elif is_local:
        resources["CPU"] = float(max(1, cores() // count))
    if use_gpu and resources:
        resources["GPU"] = 1.0
    if workers.memory_gb is not None:
        resources |= {"CPU": resources.get("CPU", 1.0), "memory": workers.memory_gb * 1e9 / count}
    return use_gpu, resources or None


def _check_room(workers: Workers, available: Mapping[str, float]) -> None:
    """Rejects what this machine will never have."""
    gpus, memory_gb = available.get("GPU", 0), available.get("memory", 0) / 1e9
    rule = None
    if workers.machines > 1:
        rule = "machines", "1 on this machine", workers.machines
    elif workers.gpus != "auto" and gpus < workers.gpus:
        rule = "gpus", f"at most those of this machine = {gpus:g}", workers.gpus
    elif memory_gb < (workers.memory_gb or 0):
        rule = "memory_gb", f"at most what Ray may use here = {memory_gb:.1f}", workers.memory_gb
    if rule:
        key, limit, value = rule
        raise ValueError(
            f"{key} below metadata.pipeline.local in {FILE} must be {limit}, is {value}; lower it, "
            f"or give the address of a cluster"
        )


def find_machines(workers: Workers, bundle: Mapping[str, float]) -> list[str]:
    """Different machines that have room for their share now; waits, and lets a cluster grow.

    Their ids are known, but the room is not kept: another job may come first, and then Ray Train
    waits for these machines.
    """
    from ray.util.placement_group import (
        placement_group,
        placement_group_table,
        remove_placement_group,
    )

    share = {name: amount * workers.per_machine for name, amount in bundle.items()}
    group = placement_group([share] * workers.machines, strategy="STRICT_SPREAD")
    try:
        while not group.wait(PATIENCE_SECONDS):
            asked = ", ".join(f"{amount:g} {name}" for name, amount in share.items())
            print(f"waiting for {workers.machines} machines with {asked} each", file=sys.stderr)
        return sorted(placement_group_table(group)["bundles_to_node_id"].values())
    finally:
        remove_placement_group(group)
