"""Folders that appear complete or not at all, and disks that are full."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_folder(target: Path) -> Iterator[Path]:
    """A fresh folder beside the target that takes its place when the block ends well.

    A process that is killed leaves the target as it was; its remains are cleared by the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_over in target.parent.glob(f".{target.name}.part-*"):
        shutil.rmtree(left_over)
    part = target.with_name(f".{target.name}.part-{os.getpid()}")
    part.mkdir()
    try:
        yield part
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turns the error of a full disk into one sentence.

    Raises:
        ValueError: The disk (or the quota on it) was full inside the block.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ValueError(
            f"the disk that holds {folder} is full; free some space, or prepare fewer or smaller "
            "images"
        ) from error
