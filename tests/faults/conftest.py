"""Runs of the tiny experiment that something happens to, in processes that start at once."""

import hashlib
import multiprocessing
import os
import resource
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

LOOP = {"total_kimg": 0.4, "batch": 8, "microbatch": 4, "tick_kimg": 0.016, "snapshot_ticks": 1}


def run_alone(stage: str, root: str, log: str, file_bytes: int | None) -> None:
    """`python -m stages.<stage>` in that folder; where files may not be larger than this."""
    from pipeline.stage import main

    if file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(root)
    sys.argv = [f"stages.{stage}"]
    main(stage)


class Trainings:
    """Trainings of stage 1, each in a process of its own; the imports are made once."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["stages.pretrain", "mimic3d.metrics.features"])

    def start(
        self, root: Path, file_bytes: int | None = None
    ) -> multiprocessing.process.BaseProcess:
        arguments = ("pretrain", str(root), str(root / "log"), file_bytes)
        process = self._context.Process(target=run_alone, args=arguments)
        process.start()
        return process

    def run(self, root: Path, **loop: object) -> int | None:
        """Exit code."""
        if loop:
            self.set_up(root, **loop)
        process = self.start(root)
        process.join(300)
        return process.exitcode

    def set_up(self, root: Path, **loop: object) -> Path:
        """Rhythm of the training in a project folder."""
        yaml = YAML()
        params = yaml.load(root / "params.yaml")
        params["pretrain"]["loop"] = {**LOOP, **loop}
        yaml.dump(params, root / "params.yaml")
        return root

    def states(self, root: Path) -> list[str]:
        return sorted(path.name for path in (root / "state" / "pretrain").glob("*/nimg-*"))

    def results(self, root: Path) -> dict[str, str]:
        """SHA-256 of all that the training published."""
        files = [path for name in ("runs", "reports") for path in (root / name).rglob("*")]
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(files)
            if path.is_file() and "prepare" not in path.parts
        }


@pytest.fixture(scope="session")
def trainings() -> Trainings:
    return Trainings()
