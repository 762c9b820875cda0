"""`python -m benchmarks.pipeline`: overhead of Ray, DVC and MLflow per stage, and a no-op repro.

Runs the tiny experiment of the tests in a scratch copy: each stage once in this process (its work)
and once as a Ray job on a running head (its wall time); the difference is the pipeline's overhead.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.jobs.head import local_head
from pipeline.stage import run_stage
from pipeline.tracking.tracker import SilentTracker

ROOT = Path(__file__).parents[1]
STAGES = ("prepare", "pretrain", "imitate", "evaluate")


def copy_project(target: Path) -> None:
    """The code and the tiny parameters, as a git checkout."""
    for name in ("mimic3d", "stages", "pipeline"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "cluster.yaml", ".gitignore", ".dvcignore", ".dvc/config"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    shutil.copy(ROOT / "tests" / "tiny_params.yaml", target / "params.yaml")
    for name in ("raw", "init"):
        (target / "data" / name).mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)


def wall(module: str, *arguments: str, cwd: Path) -> float:
    """Seconds of `python -m module`, which must succeed."""
    start = time.perf_counter()
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print a line per stage."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        root = Path(folder)
        copy_project(root)
        with local_head():
            for stage in STAGES:
                start = time.perf_counter()
                run_stage(stage, root, SilentTracker())
                work = time.perf_counter() - start
                whole = wall("pipeline.run", stage, cwd=root)
                print(f"{stage:9} {whole:6.1f} s as a job, {whole - work:6.1f} s of them overhead")
        wall("pipeline.repro", cwd=root)
        print(f"repro with nothing to do: {wall('pipeline.repro', cwd=root):.1f} s")


if __name__ == "__main__":
    main()
