"""Stages on machines without a shared file system: a folder on each, and what lies in the storage.

Inputs come from the storage and stay in a cache on the machine. What a stage needs to resume, and
its outputs, go back there.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pipeline.cluster import Settings
from pipeline.owned_folder import hold, is_held
from pipeline.project import CACHE, STATES
from pipeline.redaction import require_no_password
from pipeline.storage.content_store import (
    INDEX,
    ContentStore,
    dump_index,
    index_files,
    open_url,
    parse_index,
)
from pipeline.storage.storage_sync import StorageSync

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

CODE = Path(__file__).parents[1]
COPIED = ("params.yaml", "cluster.yaml", "dvc.yaml")
PLAN = "plan.json"
PROCESSES = ".processes"
"""Folder of an attempt with a file for each process of this machine, which it holds."""


@dataclass(frozen=True)
class RemoteRun:
    """Place of the files of a run; plain text, so it travels to the machines of a cluster."""

    storage: str
    run: str
    """Name of the run below the storage."""
    scratch: str | None = None
    """Folder on each machine; null: its temporary one."""

    def inputs(self) -> ContentStore:
        """Files that stages read, of all runs."""
        return ContentStore(f"{self.storage}/inputs")

    def record(self) -> ContentStore:
        """Record that the submitter made of this run."""
        return ContentStore(f"{self.storage}/runs/{self.run}")

    def read_plan(self) -> dict[str, Any]:
        """Plan of the job: what it has to do.

        Raises:
            RuntimeError: there is none.
        """
        plan = self.record().read(PLAN)
        if plan is None:
            raise RuntimeError(f"{self.storage} has no plan of {self.run}; submit the stage again")
        return plan

    def outputs(self) -> ContentStore:
        """Files that the stage made."""
        return ContentStore(f"{self.storage}/runs/{self.run}/outs")

    def state(self, path: str) -> ContentStore:
        """A folder that a restart needs."""
        return ContentStore(f"{self.storage}/{path}")

    def find_states(self, stage: str) -> frozenset[str]:
        """States of a training that a restart would find, by their paths."""
        files, folder = open_url(f"{self.storage}/{STATES}/{stage}")
        keys = [path.split("/")[-2] for path in map(str, files.glob(f"{folder}/*/{INDEX}"))]
        records = {key: self.state(f"{STATES}/{stage}/{key}").read(INDEX) or {} for key in keys}
        return frozenset(
            f"{key}/{name.partition('/')[0]}"
            for key, record in records.items()
            for name in record
            if name.startswith("nimg-")
        )

    @contextmanager
    def open(self, attempt: str) -> Iterator[tuple[Path, StorageSync]]:
        """A folder with the inputs of the stage, in which this process works now, and its sync.

        The processes of a machine share the folder of an attempt: the first fills it, the last one
        removes it. What killed ones left goes when the next attempt begins.
        """
        home = _home(self.scratch)
        root = home / "attempts" / attempt
        mine = root / PROCESSES / uuid.uuid4().hex
        with FileLock(home / "lock"):
            if not root.exists():
                _remove_orphans(root.parent)
                self._fill(root, home)
            descriptor = hold(mine)
        os.chdir(root)
        try:
            yield root, StorageSync(self.state, root)
        finally:
            os.chdir(CODE)
            with FileLock(home / "lock"):
                mine.unlink(missing_ok=True)
                os.close(descriptor)
                _remove_orphans(root.parent)

    def scratch_of_ray(self) -> "tuple[FileSystem, str]":
        """Place in which Ray Train may keep what it wants all machines to see."""
        import pyarrow.fs

        opened, path = open_url(f"{self.storage}/ray")
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(opened)), path

    def clear_scratch_of_ray(self, name: str) -> None:
        """Removes what Ray Train kept there under a name."""
        ContentStore(f"{self.storage}/ray/{name}").remove()

    def publish(self, root: Path, sync: StorageSync) -> None:
        """Uploads the outputs; only then the run counts as finished."""
        index = index_files(root, self.read_plan()["outs"])
        store = self.outputs()
        store.upload(root, index)
        store.write(INDEX, dump_index(index))
        sync.finish()

    def _fill(self, root: Path, home: Path) -> None:
        plan = self.read_plan()
        index, cache = parse_index(plan["inputs"]), home / "contents"
        missing = {cache / c.sha256: c for c in index.values() if not (cache / c.sha256).exists()}
        self.inputs().download(missing)
        for path in missing:
            path.chmod(0o444)  # all runs on this machine share it
        partial = root.with_name(f".{root.name}")
        shutil.rmtree(partial, ignore_errors=True)
        (partial / PROCESSES).mkdir(parents=True)
        for folder in plan["folders"]:
            (partial / folder).mkdir(parents=True)
        for path, content in index.items():
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(cache / content.sha256, target)
        for name in COPIED:
            shutil.copy(CODE / name, partial / name)
        (home / CACHE).mkdir(exist_ok=True)
        (partial / CACHE).symlink_to(home / CACHE)
        partial.rename(root)


def remote_run_of(settings: Settings, stage: str, key: str) -> RemoteRun:
    """The remote of a run, in the storage of cluster.yaml."""
    assert settings.storage
    require_no_password(settings.storage, "metadata.pipeline.storage in cluster.yaml")
    return RemoteRun(settings.storage.rstrip("/"), f"{stage}-{key}", settings.scratch)


def _remove_orphans(attempts: Path) -> None:
    """Removes the folders of attempts none of whose processes lives."""
    for root in attempts.glob("*"):
        if not any(is_held(each) for each in (root / PROCESSES).glob("[!.]*")):
            shutil.rmtree(root)


def _home(scratch: str | None) -> Path:
    """Our folder on this machine, which nobody else may write to."""
    home = Path(scratch or tempfile.gettempdir()) / f"mimic3d-{os.getuid()}"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.getuid() or home.is_symlink():
        raise ValueError(f"{home} must belong to user {os.getuid()}; set metadata.pipeline.scratch")
    return home
