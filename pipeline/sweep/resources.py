"""Share of one trial in the machines, by the rows of cluster.yaml."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.cluster import Settings, Workers, cores
from pipeline.sweep.plan import SweepPlan
from pipeline.workers.placement import resources_of_worker

COORDINATOR = {"node:__internal_head__": 0.001}
"""Share of a trial that only watches Ray Train workers: a place on the head, no core of it."""


def rows_of_trial(plan: SweepPlan, settings: Settings, is_local: bool) -> dict[str, Workers]:
    """Resources of each stage of a trial; on this machine an equal share of it by default."""
    rows = {stage: settings.workers_of(stage, is_local) for stage in plan.stages}
    if not is_local:
        return rows
    at_once = plan.concurrent or 1
    for stage, row in rows.items():
        if row.cpus is None:
            share = float(max(1, cores() // (at_once * row.per_machine)))
            rows[stage] = row.model_copy(update={"cpus": share * row.per_machine})
    return rows


def threads_of_trial(rows: Mapping[str, Workers]) -> int:
    """Threads of each process of a trial on this machine: as many as it has cores."""
    return max(1, int(max(_cores_of_process(row) for row in rows.values())))


def cores_at_once(plan: SweepPlan, rows: Mapping[str, Workers]) -> int:
    """Cores that a head on this machine must offer, whether there are as many or not."""
    most = max(max(1, row.num_workers) * _cores_of_process(row) for row in rows.values())
    return int((plan.concurrent or 1) * most)


def trials_at_once(
    plan: SweepPlan, rows: Mapping[str, Workers], available: Mapping[str, float], is_local: bool
) -> int | None:
    """The most trials at a time; None: as many as a cluster, which may grow, has room for."""
    if plan.concurrent or not is_local:
        return plan.concurrent
    return max(1, int(available.get("CPU", 1) // cores_at_once(plan, rows)))


def trials_with_room(rows: Mapping[str, Workers], machines: Sequence[Mapping[str, float]]) -> int:
    """Trials that fit on the machines of a cluster as it is.

    A trial of one process fits on a machine; the workers of a larger one may lie on several, so
    that what counts is the sum of all.
    """
    total = dict(sum(map(Counter, machines), Counter()))
    if not is_nested(rows):
        bundle = bundle_of_trial(rows, total, is_local=False)
        return sum(_multiples(bundle, machine) for machine in machines)
    needs: dict[str, float] = {}
    for row in rows.values():
        use_gpu, resources = resources_of_worker(row, total, is_local=False)
        worker = {"CPU": 1.0, "GPU": float(use_gpu), **(resources or {})}
        for name, amount in worker.items():
            needs[name] = max(needs.get(name, 0.0), amount * row.num_workers)
    return _multiples(needs, total)


def is_nested(rows: Mapping[str, Workers]) -> bool:
    """True if a stage runs on several Ray Train workers, so that trials only watch over them."""
    return any(row.num_workers > 1 for row in rows.values())


def bundle_of_trial(
    rows: Mapping[str, Workers], available: Mapping[str, float], is_local: bool
) -> dict[str, float]:
    """Resources of the process of a trial: enough for each of its stages."""
    if is_nested(rows):
        return COORDINATOR
    bundle = {"CPU": 1.0}
    for row in rows.values():
        alone = row.one_process()
        use_gpu, resources = resources_of_worker(alone, available, is_local)
        asked = {"GPU": 1.0 if use_gpu else 0.0, **(resources or {})}
        bundle |= {name: max(amount, bundle.get(name, 0.0)) for name, amount in asked.items()}
    return {name: amount for name, amount in bundle.items() if amount}


def _cores_of_process(row: Workers) -> float:
    return 1.0 if row.cpus is None else row.cpus / row.per_machine


def _multiples(needs: Mapping[str, float], available: Mapping[str, float]) -> int:
    """Number of times that the needs fit into what is available."""
    return int(min(available.get(name, 0.0) / amount for name, amount in needs.items() if amount))
