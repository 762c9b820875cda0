"""`python -m pipeline.sweep`: checks a plan, submits the sweep as a Ray job, follows it."""

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.cluster import Address, Settings, Workers, find_address, load_settings
from pipeline.jobs.head import local_head
from pipeline.jobs.locks import locked
from pipeline.jobs.submit import run_job
from pipeline.params import list_sections
from pipeline.project import ProjectPaths
from pipeline.stage import hash_stages, load_config
from pipeline.sweep.check import check_plan
from pipeline.sweep.dry_run import describe_sweep
from pipeline.sweep.plan import FILE, SweepPlan, load_plan
from pipeline.sweep.report import check_report
from pipeline.sweep.resources import cores_at_once, rows_of_trial, threads_of_trial
from pipeline.sweep.sweep_store import check_longer, former_sweeps, read_trials, write_plan

NAME = "sweep"


def main(argv: list[str] | None = None) -> int:
    """`python -m pipeline.sweep [sweep.yaml]`, in the project folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d sweep", description=__doc__)
    parser.add_argument("plan", nargs="?", default=FILE, help=f"the search; {FILE} if left out")
    parser.add_argument("--dry-run", action="store_true", help="show the trials and what they cost")
    args = parser.parse_args(argv)
    root = Path.cwd()
    try:
        settings = load_settings(root)
        plan, name = load_plan(root / args.plan), name_of(args.plan)
        check_plan(plan, root)
        check_report(ProjectPaths(root).reports(name))
        key = sweep_key(plan, root)
        folder = ProjectPaths(root).states("sweep") / key
        check_longer(folder, plan)
        for former in former_sweeps(folder.parent):
            print(
                f"{former} is a sweep of a former version, which stays as it is until you delete it"
            )
        trials = read_trials(folder, plan)
        over = sum(trial.is_over for trial in trials)
        print(f"sweep {key}: {plan.total} trials" + (f", {over} are over" if over else ""))
        if args.dry_run:
            print(describe_sweep(plan, trials, plan.concurrent))
            return 0
        with _reach(name, plan, settings) as address:
            write_plan(folder, plan)
            print(f"sweep: on Ray at {address.url} ({address.source})", flush=True)
            return _submit(name, folder, plan, settings, address)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (ConnectionError, RuntimeError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 1


def name_of(file: str) -> str:
    """Name of a sweep in reports/, in MLflow and among jobs: one name per file."""
    stem = re.sub(r"[^\w-]+", "-", Path(file).stem)
    return NAME if file == FILE else f"{NAME}-{stem}"


def sweep_key(plan: SweepPlan, root: Path) -> str:
    """Identity of a sweep: plan, other parameters, code, results of earlier stages."""
    digest = hashlib.sha256(plan.content_hash().encode())
    for stage in plan.stages:
        digest.update(load_config(stage, root).model_dump_json().encode())
    digest.update(hash_stages(plan.stages).encode())
    digest.update(json.dumps(_earlier_results(plan, root), sort_keys=True).encode())
    return digest.hexdigest()[:12]


def _earlier_results(plan: SweepPlan, root: Path) -> dict[str, object]:
    """Entries of dvc.lock for the stages before those of a trial; later ones do not matter."""
    lock = root / "dvc.lock"
    locked = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
    order = list_sections(root)
    earlier = order[: min(order.index(stage) for stage in plan.stages)]
    return {stage: locked[stage].get("outs") for stage in earlier if stage in locked}


@contextlib.contextmanager
def _reach(name: str, plan: SweepPlan, settings: Settings) -> Iterator[Address]:
    """The Ray that runs already, else a head on this machine for this sweep."""
    address = find_address(settings, os.environ)
    is_local = address is None or address.is_local
    rows: Mapping[str, Workers] = rows_of_trial(plan, settings, is_local)
    with contextlib.ExitStack() as stack:
        if is_local:  # a cluster knows itself which jobs it runs
            stack.enter_context(locked(Path.cwd(), name, f"the sweep {name}"))
        if address is None:
            address = stack.enter_context(local_head(cores_at_once(plan, rows), Path.cwd())).address
        yield address


def _submit(name: str, folder: Path, plan: SweepPlan, settings: Settings, address: Address) -> int:
    root = Path.cwd()
    if settings.storage and not address.is_local:
        raise ValueError(
            "metadata.pipeline.storage in cluster.yaml must be null for a sweep, whose machines "
            f"all see this folder, is {settings.storage}; sweep in a checkout the cluster sees"
        )
    job = {"stage": name, "root": str(root), "fingerprint": folder.name}
    command = ["pipeline.sweep.job", str(folder.relative_to(root)), "--name", name]
    threads = threads_of_trial(rows_of_trial(plan, settings, address.is_local))
    return run_job(job, command, threads, settings, address)
