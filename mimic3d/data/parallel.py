"""The same function over many tasks, on all the cores this process may use."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

TASKS_PER_WORKER = 64  # with fewer, starting a process costs more than it saves
CHUNK = 8  # tasks handed over at a time


def count_cores() -> int:
    """Cores that this process is allowed to run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Task], Result], tasks: Sequence[Task], num_workers: int
) -> Iterator[Result]:
    """Results in the order of the tasks, whatever the number of processes.

    The function and its tasks must be picklable and run on one thread; workers start afresh
    (spawn), which is safe beside threads and CUDA.
    """
    num_workers = min(num_workers, len(tasks) // TASKS_PER_WORKER)
    if num_workers <= 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_workers) as pool:
        yield from pool.imap(function, tasks, chunksize=CHUNK)
