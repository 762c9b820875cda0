from pathlib import Path

import pytest

from benchmarks.reduction import FLAGS, Traffic, traffic_of_preset
from benchmarks.scaling import communication_seconds, reduce_seconds, report

ROOT = Path(__file__).parents[2]


def test_the_page_holds_what_the_script_prints():
    page = (ROOT / "docs" / "scaling.md").read_text()
    for title, table in report(traffic_of_preset(ROOT / "presets" / "ffhq512.yaml")).items():
        assert f"## {title}\n" in page
        assert table in page


def test_sizes_are_those_of_the_released_networks():
    phases = {
        each.phase: each for each in traffic_of_preset(ROOT / "presets/ffhq512.yaml")["imitate"]
    }
    noise = 4  # strengths of the super-resolution, which renders without noise
    assert (
        phases["G"].num_values == 34_508_618 - noise + FLAGS
    )  # counted in the authors' checkpoints
    assert phases["D"].num_values == 31_359_744 + FLAGS
    assert phases["D_patch"].num_values == 26_488_833 + FLAGS


def test_one_machine_knows_no_network_and_one_gpu_no_wire():
    assert reduce_seconds(1e9, 8, 1.0) == reduce_seconds(1e9, 8, 1e12)
    assert reduce_seconds(1e9, 1, 1.0) == 0


def test_two_machines_send_the_tensor_once_each_way():
    """2 (m - 1) / m of 8 GB through a wire of 10 GB/s, of which 80 % count: one second."""
    times = [reduce_seconds(8e9, 16, network) for network in (10e9, 1e30)]
    assert times[0] - times[1] == pytest.approx(1.0)


def test_lazy_phases_count_by_their_share():
    every, seldom = Traffic("a", 10_000_000, 1), Traffic("a", 10_000_000, 4)
    once, rarely = (communication_seconds([each], 64, 1e9) for each in (every, seldom))
    assert once == pytest.approx(4 * rarely)
