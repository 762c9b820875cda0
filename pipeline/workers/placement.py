"""Machines of a Ray cluster that work on a stage, and the share of each."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.cluster import FILE, NodeType, Workers, cores

if TYPE_CHECKING:
    from ray.train import ScalingConfig

PATIENCE_SECONDS = 30.0
NODE_ID = "ray.io/node-id"  # a label that Ray itself puts on every machine


def place(
    workers: Workers,
    available: Mapping[str, float],
    is_local: bool,
    node_types: Sequence[NodeType] | None = None,
) -> "ScalingConfig":
    """Workers for Ray Train, just so many on each of just so many machines.

    Ray's placement groups know one machine (STRICT_PACK) and one worker per machine
    (STRICT_SPREAD); anything else names, for each worker, a machine that had room for its share.
    `node_types` are those that a cluster can grow by; None: nobody knows.

    Raises:
        ValueError: this machine, or the cluster at its largest, cannot give what is asked.
    """
    from ray.train import ScalingConfig

    use_gpu, resources = resources_of_worker(workers, available, is_local)
    strategy, machines = "STRICT_PACK", None
    if workers.machines > 1:
        strategy = "STRICT_SPREAD" if workers.per_machine == 1 else "PACK"
    if not is_local:
        share = share_of_machine(workers, use_gpu, resources or {})
        ids = find_machines(workers, share, node_types)
        if strategy == "PACK":
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
        check_room(workers, available)
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


def check_room(workers: Workers, available: Mapping[str, float]) -> None:
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


def share_of_machine(
    workers: Workers, use_gpu: bool, resources: Mapping[str, float]
) -> dict[str, float]:
    """Resources that all workers of one machine ask of it together."""
    bundle = {"GPU": 1.0, **resources} if use_gpu else {"CPU": 1.0, **resources}
    return {name: amount * workers.per_machine for name, amount in bundle.items()}


def find_machines(
    workers: Workers, share: Mapping[str, float], node_types: Sequence[NodeType] | None = None
) -> list[str]:
    """Different machines that have room for their share now; waits, and lets a cluster grow.

    Their ids are known, but the room is not kept: another job may come first, and then Ray Train
    waits for these machines.

    Raises:
        ValueError: no machine that is there or may come can give this.
    """
    import ray
    from ray.util.placement_group import (
        placement_group,
        placement_group_table,
        remove_placement_group,
    )

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    refuse_impossible(share, nodes, node_types)
    group = placement_group([dict(share)] * workers.machines, strategy="STRICT_SPREAD")
    try:
        patience = PATIENCE_SECONDS if can_give(share, nodes) >= workers.machines else 0.1
        while not group.wait(patience):
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            print(describe_wait(workers.machines, share, nodes), file=sys.stderr, flush=True)
            patience = PATIENCE_SECONDS
        return sorted(placement_group_table(group)["bundles_to_node_id"].values())
    finally:
        remove_placement_group(group)


def can_give(share: Mapping[str, float], nodes: Sequence[NodeType]) -> int:
    """Number of the machines that have such a share, when they are idle."""
    return sum(all(node.get(name, 0) >= share[name] for name in share) for node in nodes)


def refuse_impossible(
    share: Mapping[str, float], nodes: Sequence[NodeType], node_types: Sequence[NodeType] | None
) -> None:
    """Refuses what neither a machine that is there has, nor one that the cluster may add.

    Raises:
        ValueError: with the largest there is.
    """
    if node_types is None or can_give(share, nodes) or can_give(share, node_types):
        return
    name = next(each for each in share if not can_give({each: share[each]}, [*nodes, *node_types]))
    raise ValueError(
        f"a machine below metadata.pipeline.stages in {FILE} must ask for at most what one of "
        f"available_node_types has, asks for {amount_of(name, share[name])}, and the largest has "
        f"{_largest(name, [*nodes, *node_types])}; lower it, or add a node type"
    )


def describe_wait(num: int, share: Mapping[str, float], nodes: Sequence[NodeType]) -> str:
    """One line on what a stage waits for, and what there is."""
    asked = " and ".join(amount_of(name, amount) for name, amount in share.items())
    line = f"waiting for {num} machine{'s' * (num > 1)} with {asked}" + (" each" if num > 1 else "")
    if can_give(share, nodes) >= num:
        return f"{line}; those that have it are busy"
    scarce = next((each for each in share if can_give({each: share[each]}, nodes) < num), "")
    if not scarce or can_give({scarce: share[scarce]}, nodes):
        return f"{line}; the cluster has {can_give(share, nodes)} of them"
    return f"{line}; the cluster's largest has {_largest(scarce, nodes)}"


def amount_of(name: str, amount: float) -> str:
    """An amount of a resource in its unit."""
    if name == "memory":
        return f"{amount / 1e9:g} GB of memory"
    return f"{amount:g} {name}" + ("s" if amount != 1 and name in ("GPU", "CPU") else "")


def _largest(name: str, nodes: Sequence[NodeType]) -> str:
    amount = max((node.get(name, 0) for node in nodes), default=0)
    return f"{amount / 1e9:g} GB" if name == "memory" else f"{amount:g}"
