import pytest

from pipeline import workers
from pipeline.cluster import Workers
from pipeline.workers import resources_of_worker


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 4)


def test_local_workers_share_all_cores(four_cores):
    assert resources_of_worker(Workers(num_workers=2), {"CPU": 4}, True) == (False, {"CPU": 2})
    assert resources_of_worker(Workers(num_workers=1), {"CPU": 4}, True) == (False, {"CPU": 4})


def test_more_workers_than_cores_get_one_each(four_cores):
    assert resources_of_worker(Workers(num_workers=8), {"CPU": 8}, True) == (False, {"CPU": 1})


def test_auto_takes_gpus_only_if_all_workers_get_one(four_cores):
    auto = Workers(num_workers=2, use_gpu="auto")
    assert resources_of_worker(auto, {"GPU": 2}, True) == (True, {"CPU": 2, "GPU": 1})
    assert resources_of_worker(auto, {"GPU": 1}, True)[0] is False


def test_missing_gpus_are_an_error_here_but_may_come_in_a_cluster(four_cores):
    wants = Workers(num_workers=2, use_gpu=True)
    with pytest.raises(ValueError, match="GPUs of this machine = 1, is 2"):
        resources_of_worker(wants, {"GPU": 1}, True)
    assert resources_of_worker(wants, {}, False) == (True, None)


def test_own_mistakes_are_told_and_those_in_libraries_traced():
    with pytest.raises(ValueError, match="ours") as ours:
        raise ValueError("ours")
    assert workers._is_ours(ours.value)
    with pytest.raises(ValueError) as library:  # noqa: PT011  whatever json says
        __import__("json").loads("{")
    assert not workers._is_ours(library.value)
