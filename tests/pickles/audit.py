"""Asserts that a piece of code runs no other code: Python reports what it does to an audit hook."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

EVENTS = {
    "import", "exec", "compile", "marshal.loads", "pickle.find_class", "os.system", "os.mkdir",
    "subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "socket.connect",
}  # fmt: skip
_seen: list[str] | None = None  # None: nobody asks


def _hook(event: str, _: tuple) -> None:
    if _seen is not None and event in EVENTS:
        _seen.append(event)


sys.addaudithook(_hook)


@contextmanager
def nothing_happens() -> Iterator[None]:
    """Asserts that meanwhile nothing is imported, compiled, executed or made."""
    global _seen
    modules, _seen = set(sys.modules), []
    try:
        yield
    finally:
        seen, _seen = _seen, None
        assert seen == []
        assert set(sys.modules) == modules
