"""Files and folders that are old or new after a crash, never half; and disks that are full."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, no quota, no file as large as this


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
