import os
import signal

import pytest

from mimic3d.parallel import TASKS_PER_WORKER, count_workers, ordered_map


class Slow:
    """Numbers in order, from a worker that opens something once."""

    def __init__(self):
        self.opened = None

    def __call__(self, task):
        self.opened = self.opened or os.getpid()
        return task * 2, self.opened == os.getpid()


def die_at_twenty(task):
    if task == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def fail_at_twenty(task):
    if task == 20:
        raise ValueError("twenty is no number here")
    return task


@pytest.mark.parametrize("num_workers", [1, 2])
def test_results_come_in_order_whatever_the_number_of_processes(num_workers):
    results = list(ordered_map(Slow(), range(150), num_workers))
    assert results == [(2 * task, True) for task in range(150)]


def test_an_error_of_a_task_comes_through():
    with pytest.raises(ValueError, match="twenty is no number here"):
        list(ordered_map(fail_at_twenty, range(40), 2))


def test_a_killed_worker_is_an_error_not_a_wait():
    with pytest.raises(ValueError, match="worker process was killed"):
        list(ordered_map(die_at_twenty, range(200), 2))


def test_few_tasks_have_one_worker():
    assert count_workers(TASKS_PER_WORKER) == 1
    assert count_workers(10**6) == len(os.sched_getaffinity(0))
