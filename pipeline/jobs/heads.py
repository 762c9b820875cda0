"""Heads on this machine that a project folder uses: a small file tells other processes of each."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.project import ProjectPaths


@dataclass(frozen=True)
class HeadFile:
    """How to reach a head; the token makes it a secret of the user who started it."""

    url: str
    token: str
    pid: int
    """Of the process that started the head and ends it."""
    host: str


@contextlib.contextmanager
def announced(root: Path, url: str, token: str) -> Iterator[Path]:
    """Tells other processes of this user about a head, for as long as it runs."""
    head = HeadFile(url, token, os.getpid(), socket.gethostname())
    path = ProjectPaths(root).heads / f"{head.host}-{head.pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(head), file)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def find_heads(root: Path) -> list[HeadFile]:
    """Heads of this folder on this machine; files of those that were killed are removed."""
    heads = []
    for path in sorted(ProjectPaths(root).heads.glob("*.json")):
        try:
            head = HeadFile(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):  # it ends, or is being written
            continue
        if head.host != socket.gethostname():
            continue
        if is_alive(head.pid):
            heads.append(head)
        else:
            path.unlink(missing_ok=True)
    return heads


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs, be it another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and is another user's
        pass
    return True
