"""Temporary files and folders that live as long as a process, on machines that others use as well.

Each is held by a lock, which the system frees with its process, however that ends. A lock means the
same to all users and containers that share a folder; a process number does not.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".mimic3d-lock"


@contextmanager
def owned_folder(parent: Path, prefix: str) -> Iterator[tuple[Path, int]]:
    """A folder for this user only, removed at the end, and the descriptor that holds its lock.

    A child that inherits the descriptor holds the lock, too. Folders of this user that nobody
    holds any more are removed first.
    """
    remove_abandoned(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    descriptor = hold(folder / LOCK)
    try:
        yield folder, descriptor
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def hold(path: Path, content: str = "") -> int:
    """Descriptor of a new file for this user only, locked before anybody sees it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.write(descriptor, content.encode())
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.replace(name, path)
    return descriptor


def is_held(path: Path) -> bool:
    """True if a process holds a file; one that cannot be read is another user's, and counts."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Removes folders of this user that a killed process left; those without a lock are not ours.

    The lock is held while a folder is removed, so that two do not remove the same one.
    """
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
