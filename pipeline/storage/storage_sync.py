"""Folders that a restart needs, on machines without a shared file system: copies in the storage."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from mimic3d.content_hash import text_hash
from pipeline.folder_sync import FolderSync
from pipeline.storage.content_store import (
    INDEX,
    ContentStore,
    Index,
    dump_index,
    index_files,
    parse_index,
)


class StorageSync(FolderSync):
    """Folders below the root of an attempt, as they are in the storage."""

    def __init__(self, store_of: Callable[[str], ContentStore], root: Path) -> None:
        self._store_of, self._root = store_of, root
        self._pushed: set[Path] = set()

    def push(self, folder: Path) -> None:
        """Makes the copy in the storage like the folder; it is the old or the new one, never half.

        Trouble with the storage does not end the stage: the copy before is as good, but older.
        """
        self._pushed.add(folder)
        try:
            self._push(folder)
        except OSError as error:
            print(
                f"{folder.name} could not be copied to the storage ({error}); a restart goes "
                f"back to the copy before",
                file=sys.stderr,
            )

    def pull(self, folder: Path) -> None:
        """Makes the folder like its copy in the storage; all processes of a machine may call it."""
        path = folder.relative_to(self._root).as_posix()
        store = self._store_of(path)
        record = store.read(INDEX) or {}
        with FileLock(self._note(folder).with_suffix(".lock")):
            if self._is_noted(folder, record):
                return
            index = parse_index(record)
            mine = index_files(folder, [""]) if folder.exists() else {}
            for name in mine.keys() - index.keys():
                (folder / name).unlink()
            store.download({folder / name: c for name, c in index.items() if mine.get(name) != c})
            for left in sorted(folder.rglob("*"), reverse=True):
                if left.is_dir() and not any(left.iterdir()):
                    left.rmdir()
            self._write_note(folder, record)

    def names(self, folder: Path) -> list[str]:
        """Folders below one that were pushed by any machine, or lie here."""
        stored = self._store_of(folder.relative_to(self._root).as_posix()).folders()
        return sorted({*stored, *super().names(folder)})

    def finish(self) -> None:
        """Copies once more what the stage changed after it copied it last."""
        for folder in self._pushed:
            self._push(folder)

    def _push(self, folder: Path) -> None:
        store = self._store_of(folder.relative_to(self._root).as_posix())
        index: Index = index_files(folder, [""])
        record = dump_index(index)
        store.upload(folder, index)
        store.write(INDEX, record)
        store.keep_only(index)
        with FileLock(self._note(folder).with_suffix(".lock")):
            self._write_note(folder, record)

    def _note(self, folder: Path) -> Path:
        """Says what the folder was like when it was last the same as its copy."""
        path = self._root / ".mirrored" / folder.relative_to(self._root)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f"{path.name}.sha256")

    def _is_noted(self, folder: Path, record: dict[str, list]) -> bool:
        note = self._note(folder)
        return note.exists() and note.read_text() == _content_hash(record)

    def _write_note(self, folder: Path, record: dict[str, list]) -> None:
        self._note(folder).write_text(_content_hash(record))


def _content_hash(record: dict[str, list]) -> str:
    return text_hash(json.dumps(record, sort_keys=True))
