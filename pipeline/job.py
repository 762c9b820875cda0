"""The other end of a submitted job: opens the MLflow run, runs the stage, closes the run."""

import argparse
import functools
import hashlib
import os
import subprocess
import sys
import traceback
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.cluster import load_settings, tracking_uri
from pipeline.jobs.mlflow_run_process import MlflowRunProcess
from pipeline.params import FILE
from pipeline.project import ProjectPaths
from pipeline.storage.remote_run import remote_run_of
from pipeline.tracking.background import BackgroundTracker
from pipeline.tracking.mlflow_runs import RunRequest, flatten
from pipeline.tracking.reproduction import CHANGES, describe_changes
from pipeline.workers.workers import OpenTracker, run_stage

MAX_TAG = 4000
"""Characters of a tag; MLflow takes 5000."""


def main() -> int:
    """`python -m pipeline.job <stage>`, in the project folder."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.job")
    parser.add_argument("stage")
    parser.add_argument("--fingerprint", default="none")
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--processes", type=int, default=1, help="what `processes: auto` means")
    parser.add_argument("--remote", action="store_true", help="inputs and outputs lie in `storage`")
    args = parser.parse_args()
    root = Path.cwd()
    settings = load_settings(root)
    workers = settings.workers_of(args.stage, args.local).with_processes(args.processes)
    uri = tracking_uri(settings, root, os.environ)
    remote, tags = None, None
    if args.remote:
        remote = remote_run_of(settings, args.stage, args.fingerprint)
        tags = remote.read_plan()["tags"]
    mlflow_run = open_run(uri, root, args.stage, args.fingerprint, tags=tags)
    status = "FAILED"
    try:
        journals = None if remote else ProjectPaths(root).journals
        run_stage(
            args.stage,
            root,
            lambda: _tracker_of(mlflow_run, journals),
            workers,
            args.local,
            remote,
        )
        status = "FINISHED"
    except ValueError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    mlflow_run.close(status)
    return 0 if status == "FINISHED" else 1


def _tracker_of(mlflow_run: MlflowRunProcess, journals: Path | None) -> OpenTracker:
    """Reports to the run without costing the stage time; waits for the first try to open it."""
    address = mlflow_run.address
    return functools.partial(BackgroundTracker, mlflow_run.request, address, journals)


def describe_code(root: Path) -> dict[str, str]:
    """Commit of the project folder, and whether files differ from it."""
    commit = _git(root, "rev-parse", "HEAD")
    results = (":!dvc.lock", ":!reports")  # a reproduction itself changes these
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *results)
    return {
        "git.commit": commit or "none",
        "git.dirty": "unknown" if changed is None else str(bool(changed)).lower(),
        CHANGES: _changed_params(root)[:MAX_TAG],
    }


def _changed_params(root: Path) -> str:
    """Parameters of the project folder that differ from those of its commit."""
    committed = _git(root, "show", f"HEAD:./{FILE}")
    if committed is None:
        return ""
    try:
        texts = committed, (root / FILE).read_text()
        before, now = (dict(flatten(YAML(typ="safe").load(text) or {})) for text in texts)
    except YAMLError:  # of the commit; the file itself was read before
        return ""
    return describe_changes(before, now)


def open_run(
    uri: str,
    root: Path,
    stage: str,
    fingerprint: str,
    reopen: bool = False,
    tags: dict[str, str] | None = None,
) -> MlflowRunProcess:
    """Opens the MLflow run of a job, below that of its reproduction."""
    tags = tags or describe_code(root)
    content = (root / "params.yaml").read_bytes() + tags["git.commit"].encode()
    request = RunRequest(
        uri=uri,
        artifacts=str(ProjectPaths(root).artifacts),
        stage=stage,
        reproduction=hashlib.sha256(content).hexdigest()[:12],
        fingerprint=fingerprint,
        tags=tags,
        reopen=reopen,
    )
    return MlflowRunProcess(root, request)


def _git(root: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # all is done; Ray's own leave-taking costs seconds
