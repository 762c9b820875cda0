"""Snapshots that a viewer may show: those of the command line, no others."""

import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.data.schema import MANIFEST, find_shards, load_manifest
from mimic3d.networks.snapshot import META, SnapshotMeta, load_snapshot, read_meta
from mimic3d.rendering.backend import BackendName
from tools.view.subject import Subject

LOADED = 4  # generators kept in memory
DATA = "data"  # folder of datasets in a project
NUMBERED = re.compile(r"nimg-0*(\d+)")


@dataclass(frozen=True)
class Entry:
    """A snapshot, folder or file, and its name in lists."""

    path: Path
    name: str
    meta: SnapshotMeta
    changed: float
    """Time of its writing, s; a newer one takes its place while a training runs."""

    @property
    def description(self) -> str:
        """Stage and progress in words."""
        return f"{self.meta.stage}, {self.meta.nimg / 1000:g} kimg"


class Collection:
    """Snapshots by their names; a few are kept loaded."""

    def __init__(
        self, roots: list[Path], device: torch.device, renderer: BackendName = "auto"
    ) -> None:
        """The snapshots at or below some paths.

        Raises:
            ValueError: there is none.
        """
        self._roots, self._device = roots, device
        self._renderer: BackendName = renderer
        self._lock = threading.Lock()
        self._subjects: dict[tuple[Path, float], Subject] = {}
        self._problems: set[str] = set()
        self.entries: dict[str, Entry] = {}
        self.refresh()
        if not self.entries:
            raise ValueError(
                f"{', '.join(map(str, roots))} must be or hold a snapshot, has none"
                f"{''.join(f' ({problem})' for problem in sorted(self._problems))}; train one with "
                f"`make repro`, or name another folder"
            )

    def entry(self, name: str) -> Entry:
        """The snapshot of this name, or the first one."""
        entries = self.entries
        return entries.get(name) or next(iter(entries.values()))

    def subject(self, name: str) -> Subject:
        """The generator of this name; it is read again if its files have changed.

        Raises:
            ValueError: it cannot be read.
        """
        entry = self.entry(name)
        key = (entry.path, entry.changed)
        with self._lock:
            if key not in self._subjects:
                while len(self._subjects) >= LOADED:
                    self._subjects.pop(next(iter(self._subjects)))
                self._subjects[key] = self._load(entry)
            return self._subjects[key]

    def newest(self) -> Entry:
        """The snapshot that was written last."""
        return max(self.entries.values(), key=lambda entry: entry.changed)

    def refresh(self) -> bool:
        """Takes up snapshots written since and drops those that are gone; True if any were."""
        known = {entry.path: entry for entry in self.entries.values()}
        entries: dict[str, Entry] = {}
        for root in self._roots:
            for path in find_snapshots(root):
                try:
                    changed = path.stat().st_mtime
                    entry = known.get(path.parent if path.name == META else path)
                    if entry is None or entry.changed != changed:
                        entry = _read_entry(path, root, changed)
                except FileNotFoundError:  # it was dropped for a better one at this moment
                    continue
                except ValueError as error:
                    self._report(str(error))
                    continue
                entries[_unique(entry.name, entries)] = entry
        has_changed = entries != self.entries
        if entries:
            self.entries = entries
        return has_changed

    def _load(self, entry: Entry) -> Subject:
        G = load_snapshot(entry.path).to(self._device)
        label = torch.tensor([entry.meta.average_label])
        subject = Subject(G, label, dataset_labels(entry.path, entry.meta.dataset_fingerprint),
                          entry.description)  # fmt: skip
        subject.choose_renderer(self._renderer)
        return subject

    def _report(self, problem: str) -> None:
        if problem not in self._problems:
            print(f"not shown: {problem}", file=sys.stderr)
        self._problems.add(problem)


def find_snapshots(root: Path) -> list[Path]:
    """Descriptions of the snapshots in or below a folder, in order; a weight file is its own.

    Folders that are being written have a dot before their names until they are whole.
    """
    if root.is_file():
        return [root]
    if (root / META).is_file():
        return [root / META]
    paths = sorted(root.rglob(META))
    return [path for path in paths if not any(x[0] == "." for x in path.relative_to(root).parts)]


def _read_entry(path: Path, root: Path, changed: float) -> Entry:
    place = path.parent if path.name == META else path
    above = root.resolve().parts
    parts = [*above[-1 if place != root else -3 if above[-1] == "snapshot" else -2 :],
             *place.relative_to(root).parts]  # fmt: skip
    if parts[-1] == "snapshot" and len(parts) > 1:
        parts.pop()
    elif (number := NUMBERED.fullmatch(parts[-1])) and len(parts) > 1:
        parts = [f"{int(number[1]) / 1000:g} kimg of {'/'.join(parts[:-1])}"]
    return Entry(place, "/".join(parts), read_meta(place), changed)


def _unique(name: str, names: dict[str, Entry]) -> str:
    number = 2
    while (unique := name if number == 2 else f"{name} ({number - 1})") in names:
        number += 1
    return unique


def dataset_labels(snapshot: Path, fingerprint: str) -> Callable[[], Float[Tensor, "m 25"]]:
    """Reader of the camera labels of the training images of a snapshot's dataset.

    It is looked for by its fingerprint in the folder data/ here, and in those beside the folders
    that the snapshot is in.
    """

    @cache
    def read() -> Float[Tensor, "m 25"]:
        for place in (Path.cwd(), *snapshot.resolve().parents):
            for manifest in sorted((place / DATA).glob(f"*/{MANIFEST}")):
                if load_manifest(manifest.parent).fingerprint == fingerprint:
                    return _labels(manifest.parent)
        raise ValueError(
            f"the cameras of the training images need the dataset of the snapshot (fingerprint "
            f"{fingerprint[:12] or 'unknown'}), none below {Path(DATA).absolute()} is it; start "
            f"the viewer in the folder of its project"
        )

    return read


def _labels(folder: Path) -> Float[Tensor, "m 25"]:
    columns = ["cam2world", "intrinsics"]
    tables = [pq.read_table(shard, columns=columns) for shard in find_shards(folder, "train")]
    rows = [row for table in tables for row in table.to_pylist()]
    return torch.tensor([[*row["cam2world"], *row["intrinsics"]] for row in rows])
