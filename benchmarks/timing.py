"""Time and memory of a piece of work."""

import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median time of one call, after one call to warm up; waits for the GPU."""
    work()
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory_gib() -> float:
    """Largest memory this process held so far: of the GPU if there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def repeat_for(work: Callable[[], object], total: float) -> float:
    """Median seconds of one call, repeated for so many seconds after two calls to warm up."""
    work()
    work()
    wait()
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < total:
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def wait() -> None:
    """Until the GPU has done all it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
