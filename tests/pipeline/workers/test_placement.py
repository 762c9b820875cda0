import pytest

from pipeline.cluster import Workers
from pipeline.workers import placement
from pipeline.workers.placement import (
    describe_wait,
    place,
    refuse_impossible,
    resources_of_worker,
    share_of_machine,
)


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(placement, "cores", lambda: 4)


def test_local_workers_share_all_cores(four_cores):
    assert resources_of_worker(Workers(processes=2), {"CPU": 4}, True) == (False, {"CPU": 2})
    assert resources_of_worker(Workers(), {"CPU": 4}, True) == (False, {"CPU": 4})


def test_more_workers_than_cores_get_one_each(four_cores):
    assert resources_of_worker(Workers(processes=8), {"CPU": 8}, True) == (False, {"CPU": 1})


def test_auto_takes_gpus_only_if_all_workers_get_one(four_cores):
    auto = Workers(processes=2, gpus="auto")
    assert resources_of_worker(auto, {"GPU": 2}, True) == (True, {"CPU": 2, "GPU": 1})
    assert resources_of_worker(auto, {"GPU": 1}, True)[0] is False


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"gpus": 2}, "gpus .* those of this machine = 1, is 2"),
        ({"machines": 2}, "machines .* 1 on this machine, is 2"),
        ({"memory_gb": 9}, r"memory_gb .* use here = 8\.0, is 9"),
    ],
)
def test_what_this_machine_lacks_is_an_error_here_but_may_come_in_a_cluster(row, words):
    available = {"GPU": 1, "memory": 8e9}
    with pytest.raises(ValueError, match=words):
        resources_of_worker(Workers(**row), available, True)
    resources_of_worker(Workers(**row), {}, False)


def test_a_share_of_a_machine_is_split_among_its_processes():
    on_cpus = Workers(machines=3, processes=2, cpus=3, memory_gb=5)
    assert resources_of_worker(on_cpus, {}, False) == (False, {"CPU": 1.5, "memory": 2.5e9})
    on_gpus = Workers(machines=3, gpus=4, cpus=8)
    assert resources_of_worker(on_gpus, {}, False) == (True, {"CPU": 2, "GPU": 1})
    assert on_gpus.num_workers == 12


def test_ray_itself_decides_when_nothing_is_said_of_a_machine_elsewhere():
    assert resources_of_worker(Workers(gpus=8), {}, False) == (True, None)
    assert resources_of_worker(Workers(), {}, False) == (False, None)


def test_one_machine_and_one_worker_per_machine_are_strategies_of_ray(monkeypatch):
    monkeypatch.setattr(placement, "find_machines", lambda *asked: ["a", "b", "c"])
    assert place(Workers(gpus=8), {}, False).placement_strategy == "STRICT_PACK"
    assert place(Workers(machines=3), {}, False).placement_strategy == "STRICT_SPREAD"


def test_the_other_workers_each_name_their_machine(monkeypatch):
    monkeypatch.setattr(placement, "find_machines", lambda *asked: ["a", "b"])
    scaling = place(Workers(machines=2, processes=2), {}, False)
    machines = [label["ray.io/node-id"] for label in scaling.label_selector]
    assert machines == ["a", "a", "b", "b"]


def test_what_a_machine_gives_is_the_sum_of_its_workers():
    assert share_of_machine(Workers(gpus=8), True, {}) == {"GPU": 8}
    row = Workers(machines=2, processes=3)
    assert share_of_machine(row, False, {"CPU": 2.0, "memory": 1e9}) == {"CPU": 6, "memory": 3e9}


@pytest.mark.parametrize(
    ("num", "share", "line"),
    [
        (1, {"GPU": 8.0}, "waiting for 1 machine with 8 GPUs; the cluster's largest has 0"),
        (
            2,
            {"CPU": 5.0, "memory": 9e9},
            "waiting for 2 machines with 5 CPUs and 9 GB of memory each; the cluster's largest has "
            "4",
        ),
        (2, {"CPU": 3.0}, "waiting for 2 machines with 3 CPUs each; the cluster has 1 of them"),
        (1, {"CPU": 1.0}, "waiting for 1 machine with 1 CPU; those that have it are busy"),
    ],
)
def test_a_wait_says_what_is_asked_and_what_there_is(num, share, line):
    nodes = [{"CPU": 4.0, "memory": 8e9}, {"CPU": 2.0, "memory": 9e9}]
    assert describe_wait(num, share, nodes) == line


def test_what_no_machine_will_ever_give_is_refused_and_nothing_else():
    nodes, types = [{"CPU": 8.0}], [{"CPU": 8}, {"CPU": 48, "GPU": 4}]
    words = "asks for 8 GPUs, and the largest has 4; lower it"
    with pytest.raises(ValueError, match=words):
        refuse_impossible({"GPU": 8.0}, nodes, types)
    refuse_impossible({"GPU": 4.0, "CPU": 40.0}, nodes, types)
    refuse_impossible({"GPU": 8.0}, nodes, None)  # nobody knows what may come
    refuse_impossible({"GPU": 8.0}, [{"GPU": 8.0}], types)  # it is there, whatever the file says
