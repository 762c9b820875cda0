"""Stages on machines without a shared file system: a folder on each, and what lies in the storage.

Inputs come from the storage and stay in a cache on the machine. What a stage needs to resume, and
its outputs, go back there.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pipeline.cluster import Settings
from pipeline.redaction import require_no_password
from pipeline.storage.content_store import (
    Index,
    Vault,
    dump_index,
    index_files,
    open_url,
    parse_index,
)

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

CODE = Path(__file__).parents[1]
COPIED = ("params.yaml", "cluster.yaml", "dvc.yaml")
INDEX = "index.json"
PLAN = "plan.json"
PIDS = ".processes"


@dataclass(frozen=True)
class Depot:
    """Where a run keeps its files; plain text, so it travels to the machines of a cluster."""

    storage: str
    run: str
    """Name of the run below the storage."""
    scratch: str | None = None
    """Folder on each machine; null: its temporary one."""

    def inputs(self) -> Vault:
        """Files that stages read, of all runs."""
        return Vault(f"{self.storage}/inputs")

    def record(self) -> Vault:
        """What the submitter said of this run."""
        return Vault(f"{self.storage}/runs/{self.run}")

    def read_plan(self) -> dict[str, Any]:
        """What the job has to do.

        Raises:
            RuntimeError: there is none.
        """
        plan = self.record().read(PLAN)
        if plan is None:
            raise RuntimeError(f"{self.storage} has no plan of {self.run}; submit the stage again")
        return plan

    def outputs(self) -> Vault:
        """Files that the stage made."""
        return Vault(f"{self.storage}/runs/{self.run}/outs")

    def state(self, path: str) -> Vault:
        """A folder that a restart needs."""
        return Vault(f"{self.storage}/{path}")

    def find_states(self, stage: str) -> frozenset[str]:
        """States of a training that a restart would find, by their paths."""
        files, folder = open_url(f"{self.storage}/state/{stage}")
        keys = [path.split("/")[-2] for path in map(str, files.glob(f"{folder}/*/{INDEX}"))]
        records = {key: self.state(f"state/{stage}/{key}").read(INDEX) or {} for key in keys}
        return frozenset(
            f"{key}/{name.partition('/')[0]}"
            for key, record in records.items()
            for name in record
            if name.startswith("nimg-")
        )

    @contextmanager
    def open(self, attempt: str) -> Iterator[tuple[Path, "Mirror"]]:
        """A folder with the inputs of the stage in which this process works now, and its mirror.

        The processes of a machine share the folder of an attempt: the first fills it, the last one
        removes it. What killed ones left goes when the next attempt begins.
        """
        home = _home(self.scratch)
        root = home / "attempts" / attempt
        mine = root / PIDS / str(os.getpid())
        with FileLock(home / "lock"):
            if not root.exists():
                _remove_orphans(root.parent)
                self._fill(root, home)
            mine.touch()
        os.chdir(root)
        try:
            yield root, Mirror(self, root)
        finally:
            os.chdir(CODE)
            with FileLock(home / "lock"):
                mine.unlink(missing_ok=True)
                _remove_orphans(root.parent)

    def scratch_of_ray(self) -> "tuple[FileSystem, str]":
        """Where Ray Train may keep what it wants all machines to see."""
        import pyarrow.fs

        opened, path = open_url(f"{self.storage}/ray")
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(opened)), path

    def clear_scratch_of_ray(self, name: str) -> None:
        """Removes what Ray Train kept there under a name."""
        Vault(f"{self.storage}/ray/{name}").remove()

    def publish(self, root: Path, mirror: "Mirror") -> None:
        """Uploads the outputs; only then the run counts as finished."""
        index = index_files(root, self.read_plan()["outs"])
        vault = self.outputs()
        vault.store(root, index)
        vault.write(INDEX, dump_index(index))
        mirror.finish()

    def _fill(self, root: Path, home: Path) -> None:
        plan = self.read_plan()
        index, cache = parse_index(plan["inputs"]), home / "contents"
        missing = {cache / c.sha256: c for c in index.values() if not (cache / c.sha256).exists()}
        self.inputs().fetch(missing)
        for path in missing:
            path.chmod(0o444)  # all runs on this machine share it
        draft = root.with_name(f".{root.name}")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / PIDS).mkdir(parents=True)
        for folder in plan["folders"]:
            (draft / folder).mkdir(parents=True)
        for path, content in index.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(cache / content.sha256, target)
        for name in COPIED:
            shutil.copy(CODE / name, draft / name)
        (home / "cache").mkdir(exist_ok=True)
        (draft / "cache").symlink_to(home / "cache")
        draft.rename(root)


def depot_of(settings: Settings, stage: str, key: str) -> Depot:
    """The depot of a run, in the storage of cluster.yaml."""
    assert settings.storage
    require_no_password(settings.storage, "metadata.pipeline.storage in cluster.yaml")
    return Depot(settings.storage.rstrip("/"), f"{stage}-{key}", settings.scratch)


class Mirror:
    """Folders below the root of an attempt, as they are in the storage."""

    def __init__(self, depot: Depot, root: Path) -> None:
        self._depot, self._root = depot, root
        self._pushed: set[Path] = set()

    def push(self, folder: Path) -> None:
        """Makes the copy in the storage like the folder; it is the old or the new one, never half.

        Trouble with the storage does not end the stage: the copy before is as good, but older.
        """
        self._pushed.add(folder)
        try:
            self._push(folder)
        except OSError as error:
            print(f"{folder.name} could not be copied to the storage ({error}); a restart goes "
                  f"back to the copy before", file=sys.stderr)  # fmt: skip

    def pull(self, folder: Path) -> None:
        """Makes the folder like its copy in the storage; all processes of a machine may call it."""
        path = folder.relative_to(self._root).as_posix()
        vault = self._depot.state(path)
        record = vault.read(INDEX) or {}
        with FileLock(self._note(folder).with_suffix(".lock")):
            if self._is_noted(folder, record):
                return
            index = parse_index(record)
            mine = index_files(folder, [""]) if folder.exists() else {}
            for name in mine.keys() - index.keys():
                (folder / name).unlink()
            vault.fetch({folder / name: c for name, c in index.items() if mine.get(name) != c})
            for left in sorted(folder.rglob("*"), reverse=True):
                if left.is_dir() and not any(left.iterdir()):
                    left.rmdir()
            self._write_note(folder, record)

    def finish(self) -> None:
        """Copies once more what the stage changed after it copied it last."""
        for folder in self._pushed:
            self._push(folder)

    def _push(self, folder: Path) -> None:
        vault = self._depot.state(folder.relative_to(self._root).as_posix())
        index: Index = index_files(folder, [""])
        record = dump_index(index)
        vault.store(folder, index)
        vault.write(INDEX, record)
        vault.keep_only(index)
        with FileLock(self._note(folder).with_suffix(".lock")):
            self._write_note(folder, record)

    def _note(self, folder: Path) -> Path:
        """Says what the folder was like when it was last the same as its copy."""
        path = self._root / ".mirrored" / folder.relative_to(self._root)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f"{path.name}.sha256")

    def _is_noted(self, folder: Path, record: dict[str, list]) -> bool:
        note = self._note(folder)
        return note.exists() and note.read_text() == _digest(record)

    def _write_note(self, folder: Path, record: dict[str, list]) -> None:
        self._note(folder).write_text(_digest(record))


def _digest(record: dict[str, list]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _remove_orphans(attempts: Path) -> None:
    """Removes the folders of attempts none of whose processes lives."""
    for root in attempts.glob("*"):
        if not any(_lives(int(each.name)) for each in (root / PIDS).glob("*")):
            shutil.rmtree(root)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _home(scratch: str | None) -> Path:
    """Our folder on this machine, which nobody else may write to."""
    home = Path(scratch or tempfile.gettempdir()) / f"mimic3d-{os.getuid()}"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.getuid() or home.is_symlink():
        raise ValueError(f"{home} must belong to user {os.getuid()}; set metadata.pipeline.scratch")
    return home
