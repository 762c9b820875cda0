"""Heads on this machine that a project folder uses: a small file tells other processes of each."""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.owned_folder import hold, is_held
from pipeline.project import ProjectPaths


@dataclass(frozen=True)
class HeadFile:
    """Address and token of a head; the token makes it a secret of the user who started it."""

    url: str
    token: str
    pid: int
    """Id of the process that started the head and ends it, as its own container counts."""
    host: str


@contextlib.contextmanager
def announced(root: Path, url: str, token: str) -> Iterator[Path]:
    """Tells other processes of this user about a head, for as long as this one runs."""
    head = HeadFile(url, token, os.getpid(), socket.gethostname())
    path = ProjectPaths(root).heads / f"{head.host}-{secrets.token_hex(4)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = hold(path, json.dumps(asdict(head)))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def find_heads(root: Path) -> list[HeadFile]:
    """Heads of this folder on this machine; files of those that were killed are removed."""
    heads = []
    for path in sorted(ProjectPaths(root).heads.glob("*.json")):
        try:
            head = HeadFile(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):  # it ends
            continue
        if head.host != socket.gethostname():
            continue
        if is_held(path):
            heads.append(head)
        else:
            path.unlink(missing_ok=True)
    return heads


def is_alive(pid: int) -> bool:
    """True if a process of this machine runs, be it another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and is another user's
        pass
    return True
