"""The other end of a submitted sweep: runs the trials, then writes the report."""

import argparse
import os
import sys
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.cluster import load_settings, tracking_uri
from pipeline.job import open_run
from pipeline.jobs.mlflow_run_process import MlflowRunProcess
from pipeline.project import REPORTS
from pipeline.sweep.console import SweepConsole
from pipeline.sweep.mlflow_writer import MlflowWriter
from pipeline.sweep.plan import CHANGING
from pipeline.sweep.report import write_report
from pipeline.sweep.resources import rows_of_trial
from pipeline.sweep.sweep_store import SweepStore, SweepTrial, resume_store
from pipeline.sweep.winner import THREADS
from pipeline.tracking.mlflow_tracker import MlflowTracker


def main() -> int:
    """`python -m pipeline.sweep.job <folder>`, in the project folder."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.sweep.job")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--local", action="store_true")
    args = parser.parse_args()
    root = Path.cwd()
    try:
        with FileLock(root / args.folder / ".lock", timeout=0):
            return _run(root, args.folder, args.name, args.local)
    except Timeout:
        print(f"a sweep must run once at a time, {args.folder} runs already", file=sys.stderr)
        return 1


def _run(root: Path, folder: Path, name: str, is_local: bool) -> int:
    """The exit code: 0 if the sweep has a winner."""
    settings = load_settings(root)
    uri = tracking_uri(settings, root, os.environ)
    mlflow_run = open_run(uri, root, name, folder.name, reopen=True)
    status = "FAILED"
    try:
        if _sweep(resume_store(root / folder), root, Path(REPORTS) / name, mlflow_run, is_local):
            status = "FINISHED"
    except ValueError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    mlflow_run.close(status)
    return 0 if status == "FINISHED" else 1


def _sweep(
    store: SweepStore, root: Path, report: Path, mlflow_run: MlflowRunProcess, is_local: bool
) -> bool:
    """Runs the sweep; True if it has a winner."""
    from pipeline.sweep.runner import run_trials

    plan, settings = store.plan, load_settings(root)
    rows = rows_of_trial(plan, settings, is_local)
    console = SweepConsole(plan)
    writer = MlflowWriter(store, lambda: mlflow_run.address)

    def end(trial: SweepTrial) -> None:
        console.show_end(trial)
        writer.end(trial)

    try:
        reason = run_trials(store, root, rows, is_local, end, console.show_running)
    finally:
        writer.close()
    trials = store.trials()
    threads = int(os.environ[THREADS]) if is_local else None
    winner = write_report(root / report, plan, trials, threads, settings)
    if mlflow_run.address:
        tracker = MlflowTracker(mlflow_run.address)
        tracker.log_params({"sweep": plan.model_dump(mode="json", exclude=CHANGING)})
        tracker.log_artifact(root / report)
    console.show_table(trials)
    cut_off = sum(trial.outcome == "unfinished" for trial in trials)
    if reason:
        print(reason, file=sys.stderr)
    elif cut_off or len(trials) < plan.total:
        print(f"{len(trials) - cut_off} of {plan.total} trials ended; the same command goes on")
    if winner:
        print(f"Best: trial {winner.trial}, {winner.metric} = {winner.score}; see {report}/")
        if (root / ".dvc").is_dir():
            print(f"To run it as an experiment: {winner.command}")
    return winner is not None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is done; Ray's own leave-taking costs seconds
