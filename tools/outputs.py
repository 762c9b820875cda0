"""Files that a command writes where a user says: only what it wrote there itself is replaced.

What a command wrote is known by its content: a record of each path lies in the user's cache folder
(XDG_CACHE_HOME, else ~/.cache). Without a record, or if the file has changed since, it is somebody
else's. Imports no torch.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mimic3d.atomic import atomic_file, check_parents
from mimic3d.content_hash import content_hash, text_hash

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
RECORDS = CACHE / "mimic3d" / "written"
WAY_OUT = "remove it yourself or name another"


@contextmanager
def owned_files(command: str, paths: Sequence[Path]) -> Iterator[None]:
    """Writes of some files by a command; records them once the block ends without an error.

    Raises:
        ValueError: One of them is there already and is not what this command wrote.
    """
    for path in paths:
        check_file(command, path)
    yield
    for path in paths:
        record = {"path": str(path.resolve()), "command": command, "hash": content_hash(path)}
        with suppress(OSError), atomic_file(_record(path)) as tmp:  # without it: refused next time
            tmp.write_text(json.dumps(record))


def check_file(command: str, path: Path) -> None:
    """Raises ValueError if something is there that this command did not write."""
    check_parents(path, command)
    if os.path.lexists(path) and not _is_own(command, path):
        raise ValueError(
            f"{command} replaces only what it wrote itself, {path} is something else; {WAY_OUT}"
        )


def check_folder(command: str, folder: Path, names: Sequence[str], inputs: Sequence[Path]) -> None:
    """Raises ValueError unless a folder is new, or holds what this command wrote and no more.

    It must not be the current folder, one of the inputs, or a folder above these. `names` are those
    of the files to be written.
    """
    place = folder.resolve()
    for kept in (Path.cwd(), *inputs):
        if place == kept.resolve() or place in kept.resolve().parents:
            raise ValueError(
                f"{command} writes into a folder of its own, {folder} is or holds "
                f"{kept if kept in inputs else 'the current folder'}; name another"
            )
    entries = [*folder.iterdir()] if folder.is_dir() else []
    for path in [*entries, *(folder / name for name in names)]:
        check_file(command, path)


def _is_own(command: str, path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        record = json.loads(_record(path).read_text())
    except (OSError, ValueError):
        return False
    return record.get("command") == command and record.get("hash") == content_hash(path)


def _record(path: Path) -> Path:
    return RECORDS / f"{text_hash(str(path.resolve()))}.json"
