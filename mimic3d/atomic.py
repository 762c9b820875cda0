"""Files and folders that are old or new after a crash, never half; and disks that are full."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, no quota, no file as large as this
SYSTEM_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `target` once the block ends without an error.

    A process that is killed leaves `target` as it was; its remains are cleared by the next call.

    Raises:
        ValueError: the disk is full; `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for remains in target.parent.glob(f".{target.name}.part-*"):
        shutil.rmtree(remains)
    tmp = target.with_name(f".{target.name}.part-{os.getpid()}")
    tmp.mkdir()
    try:
        with _full_disk_explained(target):
            yield tmp
            for path in tmp.rglob("*"):
                if path.is_file():
                    _flush(path)
        old = tmp.with_name(tmp.name + ".old")
        if target.exists():
            target.rename(old)
        tmp.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def check_new(target: Path, work: str) -> None:
    """Refuses a target that is there, all but an empty folder that is not the current one.

    Raises:
        ValueError: Something would be lost; `work` is what was to be written.
    """
    check_parents(target, work)
    if target.is_dir() and target.resolve() == Path.cwd().resolve():
        raise ValueError(f"{work} goes to a folder of its own, {target} is the current one")
    is_empty_folder = target.is_dir() and not target.is_symlink() and not any(target.iterdir())
    if os.path.lexists(target) and not is_empty_folder:
        raise ValueError(
            f"{work} goes to a new file or an empty folder, {target} exists and would be lost; "
            f"remove it yourself or name another target"
        )


def check_parents(target: Path, work: str) -> None:
    """Raises ValueError if a file is where a folder above the target must be."""
    for parent in target.absolute().parents:
        if os.path.lexists(parent) and not parent.is_dir():
            raise ValueError(f"{work} goes into a folder, {parent} is a file; name another path")


def check_replaceable(folder: Path, own: Sequence[str], work: str) -> None:
    """Refuses to replace a folder that holds more than what is written there.

    Raises:
        ValueError: A name in it fits none of the patterns `own`; `work` is what was to be written.
    """
    if folder.is_file() or (folder.is_symlink() and not folder.exists()):
        raise ValueError(f"{work} goes to the folder {folder}, a file is there; move it")
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not any(fnmatchcase(entry.name, pattern) for pattern in (*own, *SYSTEM_FILES)):
            raise ValueError(
                f"{work} replaces the folder {folder} as a whole, {entry.name} in it is something "
                f"else and would be lost; move it"
            )


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes `target` once the block ends without an error.

    Raises:
        ValueError: the disk is full; `target` is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    tmp = target.with_name(f".part-{os.getpid()}-{target.name}")  # keeps the suffix
    try:
        with _full_disk_explained(target):
            yield tmp
            _flush(tmp)
        tmp.replace(target)
    finally:
        tmp.unlink(missing_ok=True)


@contextmanager
def _full_disk_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in FULL
        if full or any(os.strerror(each) in str(error) for each in FULL):  # safetensors has its own
            raise ValueError(
                f"writing {target} needs more disk than is free; what was there before is intact: "
                f"free some space and start the same command again"
            ) from error
        raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
