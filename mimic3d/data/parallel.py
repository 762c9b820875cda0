"""The same function over many tasks, on all the cores this process may use."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

TASKS_PER_WORKER = 64  # with fewer, starting a process costs more than it saves
CHUNK = 8  # tasks handed over at a time


def count_workers(num_tasks: int) -> int:
    """One process per core that this one may run on, fewer for a few tasks."""
    if hasattr(os, "sched_getaffinity"):
        num_cores = len(os.sched_getaffinity(0))
    else:
        num_cores = os.cpu_count() or 1
    return max(1, min(num_cores, num_tasks // TASKS_PER_WORKER))


def ordered_map(
    function: Callable[[Task], Result], tasks: Sequence[Task], num_workers: int
) -> Iterator[Result]:
    """Results in the order of the tasks, whatever the number of processes.

    The function and its tasks must be picklable and run on one thread; workers start afresh
    (spawn), which is safe beside threads and CUDA.
    """
    if num_workers == 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_workers, initializer=_end_with_parent) as pool:
        yield from pool.imap(function, tasks, chunksize=CHUNK)


def _end_with_parent() -> None:
    """Ends this worker when the process that started it is killed; it would wait for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
