from types import SimpleNamespace

import pytest

from pipeline.cluster import Settings, Workers
from pipeline.workers import process_count
from pipeline.workers.process_count import PROCESS_BYTES, count_gpus, count_processes

AUTO = Workers(gpus="auto", processes="auto")


@pytest.fixture
def machine(monkeypatch):
    def make(cores: int, gpus: int = 0, memory: int = 64 * PROCESS_BYTES):
        monkeypatch.setattr(process_count, "cores", lambda: cores)
        monkeypatch.setattr(process_count, "count_gpus", lambda: gpus)
        free = SimpleNamespace(available=memory)
        monkeypatch.setattr(process_count.psutil, "virtual_memory", lambda: free)

    return make


@pytest.mark.parametrize(
    ("cores", "parts", "expected"),
    [(2, 2, 2), (4, 2, 2), (3, 4, 2), (8, 6, 6), (5, 6, 3), (4, 1, 1), (4, None, 4), (1, 8, 1)],
)
def test_auto_is_one_process_per_core_that_divides_the_work(machine, cores, parts, expected):
    machine(cores)
    assert count_processes(AUTO, parts) == expected


def test_gpus_count_instead_of_cores_where_the_row_may_use_them(machine):
    machine(cores=16, gpus=2)
    assert count_processes(AUTO, 8) == 2
    assert count_processes(AUTO, 1) == 1
    assert count_processes(Workers(processes="auto"), 8) == 8


def test_each_process_has_memory(machine):
    machine(cores=8, memory=3 * PROCESS_BYTES + 1)
    assert count_processes(AUTO, 8) == 2
    machine(cores=8, memory=PROCESS_BYTES // 2)
    assert count_processes(AUTO, 8) == 1


def test_a_number_is_what_it_says(machine):
    machine(cores=1)
    assert count_processes(Workers(processes=3), 2) == 3


def test_auto_becomes_a_number_and_a_number_stays():
    assert AUTO.with_processes(4).num_workers == 4
    assert AUTO.num_workers == 1
    assert Workers(processes=3).with_processes(4).num_workers == 3


def test_a_cluster_must_be_told_a_number():
    settings = Settings(stages={"a": AUTO}, local={"a": AUTO})
    assert settings.workers_of("a", is_local=True) is settings.local["a"]
    with pytest.raises(ValueError, match=r"stages\.a\.processes in .* must be a number, is auto"):
        settings.workers_of("a", is_local=False)


@pytest.mark.parametrize(("visible", "expected"), [("", 0), ("-1", 0), ("0", 1), ("1,3", 2)])
def test_visible_gpus_are_counted(monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == expected
