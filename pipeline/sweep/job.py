"""The other end of a submitted sweep: runs the trials, then reports what they found."""

import argparse
import os
import sys
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.cluster import Settings, load_settings, tracking_uri
from pipeline.job import open_run
from pipeline.jobs.mlflow_run_process import MlflowRunProcess
from pipeline.sweep.console import Board
from pipeline.sweep.ledger import Ledger, load_ledger
from pipeline.sweep.plan import CHANGING
from pipeline.sweep.recorder import Recorder
from pipeline.sweep.report import write_report
from pipeline.sweep.resources import rows_of_trial
from pipeline.sweep.winner import THREADS
from pipeline.tracking.mlflow_tracker import MlflowTracker

REPORT = Path("reports") / "sweep"
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one cannot be silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # files that nobody reads
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the ledger is our own
}


def main() -> int:
    """`python -m pipeline.sweep.job <folder>`, in the project folder."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.sweep.job")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--local", action="store_true")
    args = parser.parse_args()
    root = Path.cwd()
    try:
        with FileLock(root / args.folder / ".lock", timeout=0):
            return _run(root, args.folder, args.local)
    except Timeout:
        print(f"a sweep must run once at a time, {args.folder} runs already", file=sys.stderr)
        return 1


def _run(root: Path, folder: Path, is_local: bool) -> int:
    """The exit code: 0 if the sweep has a winner."""
    settings = load_settings(root)
    uri = tracking_uri(settings, root, os.environ)
    mlflow_run = open_run(uri, root, "sweep", folder.name, reopen=True)
    status = "FAILED"
    try:
        if _sweep(load_ledger(root / folder), root, settings, mlflow_run, is_local):
            status = "FINISHED"
    except ValueError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    mlflow_run.close(status)
    return 0 if status == "FINISHED" else 1


def _sweep(
    ledger: Ledger, root: Path, settings: Settings, mlflow_run: MlflowRunProcess, is_local: bool
) -> bool:
    """Whether the sweep has a winner."""
    os.environ.update(QUIET)
    from pipeline.sweep.tuning import run_trials

    plan = ledger.plan
    rows = rows_of_trial(plan, settings, is_local)
    board = Board(plan)
    recorder = Recorder(ledger, lambda: mlflow_run.address, board)
    try:
        run_trials(ledger, root, rows, is_local, recorder.end)
    finally:
        recorder.close()
    trials = ledger.trials()
    threads = int(os.environ[THREADS]) if is_local else None
    winner = write_report(root / REPORT, plan, trials, threads, settings)
    if mlflow_run.address:
        tracker = MlflowTracker(mlflow_run.address)
        tracker.log_params({"sweep": plan.model_dump(mode="json", exclude=CHANGING)})
        tracker.log_artifact(root / REPORT)
    board.show_table(trials)
    cut_off = sum(trial.outcome == "unfinished" for trial in trials)
    if cut_off or len(trials) < plan.total:
        print(f"{len(trials) - cut_off} of {plan.total} trials ended; the same command goes on")
    if winner:
        print(f"Best: trial {winner.trial}, {winner.metric} = {winner.score}; see {REPORT}/")
        if (root / ".dvc").is_dir():
            print(f"To run it as an experiment: {winner.command}")
    return winner is not None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is done; Ray's own leave-taking costs seconds
