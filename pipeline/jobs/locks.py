"""One process at a time on the same results of a folder; the second is told who is first."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.jobs.heads import is_alive
from pipeline.project import ProjectPaths


@contextlib.contextmanager
def locked(root: Path, name: str, activity: str) -> Iterator[None]:
    """Holds the lock of this name; the system frees it with the process, however that ends.

    Args:
        root: The project folder.
        name: What must not happen twice at once: `repro`, or a stage.
        activity: The same for people, such as "a reproduction".

    Raises:
        ValueError: another process holds it.
    """
    path = ProjectPaths(root).lock(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(_who(path, activity)) from None
        # A shared file system may not show locks to other machines, but it shows the file.
        if (owner := _read(path)) and owner["host"] != socket.gethostname():
            raise ValueError(
                f"{_who(path, activity)}; if that machine is gone, delete {path.relative_to(root)}"
            )
        _write(path, {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
        try:
            yield
        finally:
            path.write_text("")


def dvc_owner(root: Path) -> str | None:
    """A DVC that runs a stage in this folder."""
    path = root / ".dvc" / "tmp" / "rwlock"
    try:
        writers = json.loads(path.read_text() or "{}").get("write", {}).values()
        living = [each["pid"] for each in writers if is_alive(each["pid"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # DVC will say so itself
        return None
    return f"DVC (pid {living[0]})" if living else None


def _who(path: Path, activity: str) -> str:
    owner = _read(path)
    by = f" (pid {owner['pid']} on {owner['host']}, since {owner['since']})" if owner else ""
    return f"{activity} runs in this folder already{by}; wait for it or end it"


def _read(path: Path) -> dict[str, str]:
    try:
        return json.loads(path.read_text() or "{}")
    except (OSError, ValueError):
        return {}


def _write(path: Path, owner: dict[str, object]) -> None:
    path.write_text(json.dumps(owner))


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
