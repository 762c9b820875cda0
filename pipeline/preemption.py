"""SIGTERM, with which machines announce that they will be taken away: work is saved, then it ends.

Only work that listens is waited for; in a process where nothing does, SIGTERM ends it at once.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_CODE = 75
"""Exit code after a requested end with saved state: EX_TEMPFAIL of sysexits.h, try again."""


class PreemptedError(Exception):
    """End of work that was asked to end; the same command goes on where it was."""


class _Notice:
    """Request to this process to end; signals are a matter of the whole process."""

    def __init__(self) -> None:
        self.is_given = threading.Event()
        self.num_listeners = 0
        self.is_working = False
        self.ask: Callable[[], bool] | None = None
        self.sender: socket.socket | None = None


_notice = _Notice()


def install_sigterm_handler(grace_seconds: float) -> None:
    """Makes SIGTERM wait for work that listens, but no longer than this; main thread only.

    A thread reads the signal as it comes: Python's own handler would wait for the main thread,
    which may be deep in a computation or in Ray.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    _notice.sender = sender  # it must live as long as the process
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    threading.Thread(target=_watch, args=(receiver, grace_seconds), daemon=True).start()


def add_preemption_check(ask: Callable[[], bool]) -> None:
    """Adds a way to learn that this process is to end, beside SIGTERM; None of them is final."""
    _notice.ask = ask


@contextmanager
def working() -> Iterator[None]:
    """Marks a stage at work in the block; a process that is ended before or after says nothing."""
    _notice.is_working = True
    try:
        yield
    finally:
        _notice.is_working = False


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """Yields a function: True if this process was asked to end; the block then saves and leaves."""
    _notice.num_listeners += 1
    try:
        yield _is_asked_to_end
    finally:
        _notice.num_listeners -= 1


def _is_asked_to_end() -> bool:
    return _notice.is_given.is_set() or bool(_notice.ask and _notice.ask())


def _watch(receiver: socket.socket, grace_seconds: float) -> None:
    while number := receiver.recv(1):
        if number[0] != signal.SIGTERM:
            continue
        if not _notice.num_listeners:
            _leave("SIGTERM: nothing to save" if _notice.is_working else None)
        if not _notice.is_given.is_set():
            _notice.is_given.set()
            too_late = f"SIGTERM: nothing was saved within {grace_seconds:g} s of grace"
            timer = threading.Timer(grace_seconds, _leave, [too_late])
            timer.daemon = True
            timer.start()


def _leave(why: str | None) -> None:
    if why:
        print(why, file=sys.stderr, flush=True)
    os._exit(128 + signal.SIGTERM)
