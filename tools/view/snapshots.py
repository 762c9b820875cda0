"""The snapshots that a viewer may show: those below the folders of the command line, no others."""

from dataclasses import dataclass
from pathlib import Path

import torch

from mimic3d.networks.snapshot import load_meta, read_snapshot
from tools.view.subject import Subject

META = "snapshot.json"
LOADED = 3  # generators kept in memory


@dataclass(frozen=True)
class Entry:
    """A snapshot's folder and its name in lists."""

    folder: Path
    name: str

    @property
    def changed(self) -> float:
        """Time of its writing, s; a newer one takes its place while a training runs."""
        return (self.folder / META).stat().st_mtime


class Collection:
    """Snapshots by their place in the list; a few are kept loaded."""

    def __init__(self, roots: list[Path], device: torch.device) -> None:
        """The snapshots below some folders.

        Raises:
            ValueError: there is none below one of them.
        """
        self._device = device
        self.entries = [entry for root in roots for entry in find_snapshots(root)]
        self._subjects: dict[tuple[Path, float], Subject] = {}

    def subject(self, place: int) -> Subject:
        """The generator at a place of the list, read again if its files have changed.

        Raises:
            ValueError: it cannot be read.
        """
        entry = self.entries[min(place, len(self.entries) - 1)]
        key = (entry.folder, entry.changed)
        if key not in self._subjects:
            subject = Subject(read_snapshot(entry.folder), self._device)
            while len(self._subjects) >= LOADED:
                self._subjects.pop(next(iter(self._subjects)))
            self._subjects[key] = subject
        return self._subjects[key]

    def newest(self) -> tuple[int, float]:
        """Place of the snapshot that was written last, and its time."""
        times = [entry.changed for entry in self.entries]
        place = max(range(len(times)), key=times.__getitem__)
        return place, times[place]


def find_snapshots(root: Path) -> list[Entry]:
    """Snapshots in or below a folder, in the order of their names.

    Raises:
        ValueError: there is none.
    """
    folders = [root] if (root / META).is_file() else sorted(p.parent for p in root.rglob(META))
    if not folders:
        raise ValueError(
            f"{root} must be the folder of a snapshot or hold some, has none; train one with "
            f"`make repro`, or name another folder"
        )
    entries = []
    for folder in folders:
        meta = load_meta(folder)
        name = str(folder.relative_to(root)) if folder != root else folder.resolve().name
        entries.append(Entry(folder, f"{name} ({meta.stage}, {meta.nimg / 1000:g} kimg)"))
    return entries
