"""Work in as many threads as torch may use."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def for_each(work: Callable[[int], None], numbers: Iterable[int]) -> None:
    """Calls work for every number, in any order; work is worth a thread only without the GIL."""
    threads = torch.get_num_threads()
    if threads == 1:
        for number in numbers:
            work(number)
        return
    pool = _pools.setdefault((os.getpid(), threads), ThreadPoolExecutor(threads))
    list(pool.map(work, numbers))
