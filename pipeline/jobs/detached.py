"""Jobs that were told to go on without their submitter, until somebody follows them to the end."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mimic3d.atomic import atomic_file
from pipeline.project import ProjectPaths


@dataclass(frozen=True)
class Detached:
    """A job that goes on by itself, and what makes it the same as another one."""

    stage: str
    job: str
    fingerprint: str

    @property
    def advice(self) -> str:
        """Way of its results into DVC."""
        return (
            f"{self.stage} runs detached, or has run, as job {self.job}; follow it to its end with "
            f"`python -m pipeline.run {self.stage}`, then tell DVC with "
            f"`dvc commit --force {self.stage}`"
        )


def remember(root: Path, detached: Detached) -> None:
    """Keeps note of a job that goes on by itself."""
    with atomic_file(_path(root, detached.stage)) as path:
        path.write_text(json.dumps(asdict(detached)))


def recall(root: Path, stage: str) -> Detached | None:
    """The job of a stage that nobody has followed to its end yet."""
    path = _path(root, stage)
    return Detached(**json.loads(path.read_text())) if path.exists() else None


def recall_all(root: Path) -> list[Detached]:
    """Jobs of all stages that nobody has followed to their end yet."""
    jobs = (recall(root, path.stem) for path in sorted(ProjectPaths(root).detached.glob("*.json")))
    return [each for each in jobs if each]


def forget(root: Path, stage: str) -> None:
    """Drops the job, which was followed to its end or is of no use any more."""
    _path(root, stage).unlink(missing_ok=True)


def _path(root: Path, stage: str) -> Path:
    return ProjectPaths(root).detached / f"{stage}.json"
