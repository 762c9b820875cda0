"""Folders of training states, state/<stage>/<key>/, and which of them a training goes on in.

The key is of parameters, inputs and code. Folders of one key are numbered: a second one is begun
when the user asks to train anew, or wants a smaller budget than the first has used. None is ever
removed but by `python -m pipeline.states --delete`.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mimic3d.atomic import atomic_file, atomic_folder
from mimic3d.content_hash import text_hash
from pipeline.code_hash import join_hashes
from pipeline.project import ProjectPaths

RECORD = "training.json"
FINISHED = "finished.json"
LOCK_SECONDS = 60.0  # for the last sign of a process that was killed a moment ago


@dataclass(frozen=True)
class TrainingIdentity:
    """Identity of a training, but for its length."""

    params: dict[str, Any]
    """Parameters of the stage without those that only end it."""
    inputs: list[str]
    """Checksums of what it reads."""
    code: dict[str, str]
    """Hash of each module that can change the result."""

    @property
    def key(self) -> str:
        """Name of its states."""
        return _short_hash([self.params, *self.inputs, join_hashes(self.code)])

    @property
    def key_without_code(self) -> str:
        """Name of its states before their key covered the code."""
        return _short_hash([self.params, *self.inputs])


@dataclass(frozen=True)
class StateFolder:
    """A folder of states, whatever of it is there."""

    path: Path

    @property
    def name(self) -> str:
        """Key of the training, with a number if it is not the first."""
        return self.path.name

    @property
    def nimg(self) -> int:
        """Real images consumed by the newest state."""
        names = [each.name for each in self.path.glob("nimg-*")]
        return int(max(names).removeprefix("nimg-")) if names else 0

    @property
    def finished_nimg(self) -> int | None:
        """The budget at which its results were published last; None if never."""
        finished = _read_json(self.path / FINISHED)
        return None if finished is None else int(finished["nimg"])

    @property
    def record(self) -> dict[str, Any]:
        """Record from when it was begun; empty in states of before there were records."""
        return _read_json(self.path / RECORD) or {}

    @property
    def identity(self) -> TrainingIdentity | None:
        """Parameters, inputs and code of its training; None if nobody noted them."""
        fields = [self.record.get(name) for name in ("params", "inputs", "code")]
        return None if None in fields else TrainingIdentity(*fields)  # type: ignore[arg-type]

    @property
    def continued_from(self) -> list[str]:
        """States of other code that it goes on from, the last one last, as `KEY at NIMG`."""
        return self.record.get("continued_from", [])

    def write_record(self, **changes: object) -> None:
        """Notes what is given beside what was noted before."""
        with atomic_file(self.path / RECORD) as tmp:
            tmp.write_text(json.dumps(self.record | changes, sort_keys=True))

    def mark_finished(self, nimg: int) -> None:
        """Notes that the results of this budget are published."""
        with atomic_file(self.path / FINISHED) as tmp:
            tmp.write_text(json.dumps({"nimg": nimg}))

    @contextmanager
    def locked(self, root: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Keeps other processes of this machine away; the system frees it, however a process ends.

        Raises:
            ValueError: another process holds it.
        """
        path = ProjectPaths(root).state_lock(self.path.parent.name, self.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            raise ValueError(
                f"a training state must be used by one process at a time, {self.path} is in use; "
                f"wait for that training or end it"
            ) from None
        try:
            yield
        finally:
            lock.release()


def find_folders(root: Path, stage: str) -> list[StateFolder]:
    """All folders of states of a stage, by name."""
    paths = ProjectPaths(root).states(stage).glob("*")
    return [StateFolder(path) for path in sorted(paths) if _is_state(path)]


def choose_folder(
    root: Path, stage: str, key: str, total_nimg: int, anew: str | None = None
) -> StateFolder:
    """Folder where a training of this key and budget goes on, or begins if there is nothing there.

    The one that is furthest without being beyond the budget; those of before the user last asked to
    train anew do not count. `anew` is that wish: the same text, such as in a restart, leads to the
    same folder.
    """
    states = ProjectPaths(root).states(stage)
    mine = _numbered(states, key)
    begun = [index for index, folder in enumerate(mine) if folder.record.get("anew")]
    fits = [each for each in mine[begun[-1] if begun else 0 :] if each.nimg <= total_nimg]
    if anew:
        fits = [folder for folder in mine if folder.record.get("anew") == anew]
    if fits:
        return max(fits, key=lambda folder: folder.nimg)
    number = _number(mine[-1].name, key) + 1 if mine else 1
    return StateFolder(states / (key if number == 1 else f"{key}-{number}"))


def begin_folder(
    folder: StateFolder, identity: TrainingIdentity, total_nimg: int, anew: str | None = None
) -> None:
    """Makes a folder ready for a run of this budget, and notes what it is of."""
    folder.path.mkdir(parents=True, exist_ok=True)
    wish = {"anew": anew} if anew else {}
    folder.write_record(**vars(identity), total_nimg=total_nimg, **wish)


def copy_state(source: StateFolder, target: StateFolder) -> None:
    """Makes `target` go on from the newest state of `source`, which stays as it is."""
    newest = f"nimg-{source.nimg:09d}"
    with atomic_folder(target.path) as tmp:
        for path in source.path.iterdir():
            is_older = path.name.startswith("nimg-") and path.name != newest
            if path.is_dir() and not path.name.startswith(".") and not is_older:
                shutil.copytree(path, tmp / path.name)
        history = [*source.continued_from, f"{source.name} at {source.nimg}"]
        StateFolder(tmp).write_record(continued_from=history)


def _numbered(folder: Path, key: str) -> list[StateFolder]:
    """Folders of one key, in the order of their numbers."""
    names = [path.name for path in folder.glob(f"{key}*") if _is_state(path)]
    mine = [name for name in names if name == key or name.removeprefix(f"{key}-").isdigit()]
    return [StateFolder(folder / name) for name in sorted(mine, key=lambda n: _number(n, key))]


def _number(name: str, key: str) -> int:
    return 1 if name == key else int(name.removeprefix(f"{key}-"))


def _is_state(path: Path) -> bool:
    """True if it is a folder of training states, and not that of `prepare` or a rest of a copy."""
    if not path.is_dir() or path.name.startswith("."):
        return False
    return (path / RECORD).exists() or any(path.glob("nimg-*"))


def _short_hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True)
    return text_hash(text)[:12]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
