"""The other end of a submitted job: opens the MLflow run, runs the stage, closes the run."""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from pipeline.cluster import load_settings, tracking_uri
from pipeline.mlflow_tracking import RunAddress, attempt, close_run, open_run
from pipeline.workers import run_stage


def main() -> int:
    """`python -m pipeline.job <stage>`, in the project folder."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.job")
    parser.add_argument("stage")
    parser.add_argument("--fingerprint", default="none")
    parser.add_argument("--local", action="store_true")
    args = parser.parse_args()
    root = Path.cwd()
    settings = load_settings(root)
    workers = settings.workers_of(args.stage, args.local)
    uri = tracking_uri(settings, root, os.environ)
    address = _open(uri, root, args.stage, args.fingerprint)
    _kill_run_on_sigterm(address)
    status = "FAILED"
    try:
        run_stage(args.stage, root, address, workers, args.local)
        status = "FINISHED"
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if address:
            attempt(lambda: close_run(address, status))
    return 0


def describe_code(root: Path) -> dict[str, str]:
    """Commit of the project folder, and whether files differ from it."""
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {
        "git.commit": commit or "none",
        "git.dirty": "unknown" if changed is None else str(bool(changed)).lower(),
    }


def _open(uri: str, root: Path, stage: str, fingerprint: str) -> RunAddress | None:
    tags = describe_code(root)
    content = (root / "params.yaml").read_bytes() + tags["git.commit"].encode()
    reproduction = hashlib.sha256(content).hexdigest()[:12]
    artifacts = root / "mlartifacts"
    found = attempt(lambda: open_run(uri, artifacts, stage, reproduction, fingerprint, tags))
    return found[0] if found else None


def _git(root: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _kill_run_on_sigterm(address: RunAddress | None) -> None:
    """`ray job stop` gives a job three seconds: mark its run, then leave at once."""

    def leave(signum: int, frame: FrameType | None) -> None:
        if address:
            attempt(lambda: close_run(address, "KILLED"))
        os._exit(128 + signum)

    signal.signal(signal.SIGTERM, leave)


if __name__ == "__main__":
    sys.exit(main())
