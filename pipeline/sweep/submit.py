"""`python -m pipeline.sweep`: checks a plan, submits the sweep as a Ray job, follows it."""

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.cluster import Address, Settings, Workers, find_address, load_settings
from pipeline.jobs.head import local_head
from pipeline.run import run_job
from pipeline.stage import load_config
from pipeline.sweep.check import check_plan
from pipeline.sweep.ledger import Ledger
from pipeline.sweep.plan import FILE, Plan, load_plan
from pipeline.sweep.resources import cores_at_once, rows_of_trial, threads_of_trial


def main(argv: list[str] | None = None) -> int:
    """`python -m pipeline.sweep [sweep.yaml]`, in the project folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d sweep", description=__doc__)
    parser.add_argument("plan", nargs="?", default=FILE, help=f"the search; {FILE} if left out")
    file = parser.parse_args(argv).plan
    root = Path.cwd()
    try:
        settings = load_settings(root)
        plan = load_plan(root / file)
        check_plan(plan, root, settings)
        key = fingerprint(plan, root, settings)
        ledger = Ledger(root / "state" / "sweep" / key, plan)
        ledger.begin()
        over = sum(trial.is_over for trial in ledger.trials())
        print(f"sweep {key}: {plan.total} trials" + (f", {over} are over" if over else ""))
        with _reach(plan, settings) as address:
            print(f"sweep: on Ray at {address.url} ({address.source})", flush=True)
            return _submit(ledger, root, settings, address)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (ConnectionError, RuntimeError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 1


def fingerprint(plan: Plan, root: Path, settings: Settings) -> str:
    """What makes two sweeps the same: plan, other parameters, code, results of earlier stages."""
    digest = hashlib.sha256(plan.identity().encode())
    for stage in plan.stages:
        digest.update(load_config(stage, root).model_dump_json().encode())
    digest.update(fingerprint_code(root).encode())
    digest.update(json.dumps(_earlier_results(plan, root, settings), sort_keys=True).encode())
    return digest.hexdigest()[:12]


def fingerprint_code(root: Path) -> str:
    """What makes the code of two sweeps the same: all of stages/ and mimic3d/."""
    digest = hashlib.sha256()
    for path in (*sorted(root.glob("stages/*.py")), *sorted(root.glob("mimic3d/**/*.py"))):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _earlier_results(plan: Plan, root: Path, settings: Settings) -> dict[str, object]:
    """What DVC locked of the stages before those of a trial; later ones do not matter."""
    lock = root / "dvc.lock"
    locked = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
    order = list(settings.local)
    earlier = order[: min(order.index(stage) for stage in plan.stages)]
    return {stage: locked[stage].get("outs") for stage in earlier if stage in locked}


@contextlib.contextmanager
def _reach(plan: Plan, settings: Settings) -> Iterator[Address]:
    """The Ray that runs already, else a head on this machine for this sweep."""
    address = find_address(settings, os.environ)
    rows: Mapping[str, Workers] = rows_of_trial(plan, settings, not address or address.is_local)
    if address:
        yield address
        return
    with local_head(cores_at_once(plan, rows), Path.cwd()) as head:
        yield head.address


def _submit(ledger: Ledger, root: Path, settings: Settings, address: Address) -> int:
    key = ledger.folder.name
    if settings.storage and not address.is_local:
        raise ValueError(
            "metadata.pipeline.storage in cluster.yaml must be null for a sweep, whose machines "
            f"all see this folder, is {settings.storage}; sweep in a checkout the cluster sees"
        )
    about = {"stage": "sweep", "root": str(root), "fingerprint": key}
    command = ["pipeline.sweep.job", str(ledger.folder.relative_to(root))]
    threads = threads_of_trial(rows_of_trial(ledger.plan, settings, address.is_local))
    return run_job(about, command, threads, settings, address)
