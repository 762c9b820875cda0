"""Parallel map of one function over many tasks, on all the cores this process may use."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

TASKS_PER_WORKER = 64  # with fewer, starting a process costs more than it saves
CHUNK = 8  # tasks handed over at a time
CHUNKS_AHEAD = 4  # per worker; bounds the results that wait for a slow one before them


def count_workers(num_tasks: int) -> int:
    """Number of processes: one per core that this one may run on, fewer for a few tasks."""
    if hasattr(os, "sched_getaffinity"):
        num_cores = len(os.sched_getaffinity(0))
    else:
        num_cores = os.cpu_count() or 1
    return max(1, min(num_cores, num_tasks // TASKS_PER_WORKER))


def ordered_map(
    function: Callable[[Task], Result], tasks: Sequence[Task], num_workers: int
) -> Iterator[Result]:
    """Results in the order of the tasks, whatever the number of processes.

    The function and its tasks must be picklable and run on one thread. Workers start afresh
    (spawn), which is safe beside threads and CUDA, and get the function once: what it opens when it
    is first called serves all tasks of its process.

    Raises:
        ValueError: A worker was killed, by its own fault or for lack of memory.
    """
    if num_workers == 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    chunks = (tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK))
    waiting: deque[Future[list[Result]]] = deque()
    with ProcessPoolExecutor(num_workers, context, _begin, (function,)) as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_work, chunk))
                if len(waiting) > CHUNKS_AHEAD * num_workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool:
            raise ValueError(
                "a worker process was killed, most likely for lack of memory; start the same "
                "command again on a machine with more memory or fewer cores"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_function: Callable[[Any], Any] | None = None  # of this worker process


def _begin(function: Callable[[Any], Any]) -> None:
    """Keeps the function of this worker, and ends the worker when its parent is killed."""
    global _function
    _function = function
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _work(chunk: Sequence[Any]) -> list[Any]:
    assert _function is not None
    return [_function(task) for task in chunk]


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
