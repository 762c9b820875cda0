import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sweep.space import ChoiceDomain, draw_point, grid_points, parse_domain

RANGES = {
    "uniform": [-1, 2.5],
    "loguniform": [1e-4, 1e-2],
    "quniform": [0.1, 0.95, 0.2],
    "qloguniform": [1, 100, 3],
    "randint": [3, 7],
    "lograndint": [1, 1000],
    "qrandint": [8, 64, 8],
}


@pytest.mark.parametrize("form", RANGES)
@given(share=st.floats(0, 1, exclude_max=True))
def test_values_lie_between_the_edges_on_their_steps(form, share):
    low, high, *steps = RANGES[form]
    domain = parse_domain("a.b", {form: [low, high, *steps]})
    value = domain.at(share)
    assert domain.edges()[0] <= value <= domain.edges()[1] <= high
    assert domain.edges()[0] >= low
    assert isinstance(value, int) == ("randint" in form)
    assert value == float(f"{value:.6g}")
    assert domain.snap(value) == value
    if steps:
        assert math.isclose((value - low) / steps[0], round((value - low) / steps[0]), abs_tol=1e-6)


def test_both_ends_of_whole_numbers_are_drawn():
    domain = parse_domain("a.b", {"randint": [3, 5]})
    assert [domain.at(share) for share in (0, 0.3, 0.4, 0.6, 0.7, 0.999)] == [3, 3, 4, 4, 5, 5]


def test_halfway_through_the_logarithm_is_the_geometric_mean():
    assert parse_domain("a.b", {"loguniform": [1e-4, 1e-2]}).at(0.5) == 1e-3
    assert parse_domain("a.b", {"uniform": [1e-4, 1e-2]}).at(0.5) == 0.00505


@given(seed=st.integers(0, 1000), block=st.integers(0, 5))
def test_every_eight_trials_cover_each_range_evenly(seed, block):
    space = {
        "a.x": parse_domain("a.x", {"uniform": [0, 8]}),
        "a.y": parse_domain("a.y", {"choice": [0, 1, 2, 3]}),
    }
    points = [draw_point(space, seed, 8 * block + number) for number in range(8)]
    assert sorted(min(int(point["a.x"]), 7) for point in points) == list(range(8))
    assert sorted(point["a.y"] for point in points) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_parameters_are_paired_by_chance_alone():
    space = {key: parse_domain(key, {"uniform": [0, 1]}) for key in ("a.x", "a.y")}
    points = [draw_point(space, 0, number) for number in range(800)]
    columns = [[point[key] for point in points] for key in space]
    assert abs(statistics.correlation(*columns)) < 0.1


def test_a_plain_value_stays():
    assert parse_domain("a.b", None) == ChoiceDomain((None,))
    assert parse_domain("a.b", [1, 2]) == ChoiceDomain(([1, 2],))


def test_more_parameters_change_no_other_draw():
    one = {"a.x": parse_domain("a.x", {"uniform": [0, 1]})}
    two = {"a.w": parse_domain("a.w", {"choice": [1, 2]}), **one}
    for number in range(5):
        assert draw_point(two, 0, number)["a.x"] == draw_point(one, 0, number)["a.x"]
    assert draw_point(one, 0, 0) != draw_point(one, 0, 1)
    assert draw_point(one, 0, 0) != draw_point(one, 1, 0)


def test_a_grid_has_all_combinations_once():
    space = {
        "a.x": ChoiceDomain((1, 2, 3)),
        "a.y": ChoiceDomain(("u", "v")),
        "a.z": ChoiceDomain((0,)),
    }
    points = grid_points(space)
    assert len(points) == len({tuple(point.values()) for point in points}) == 6
    assert points[:2] == [{"a.x": 1, "a.y": "u", "a.z": 0}, {"a.x": 1, "a.y": "v", "a.z": 0}]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"unifrom": [0, 1]}, r"space\.a\.b must be a value or one of \{uniform: \[low, high\]\}"),
        ({"uniform": [0, 1], "choice": [1]}, "must be a value or one of"),
        ({"choice": []}, "must be a value or one of"),
        ({"choice": [{"x": 1}]}, "written one by one, by their full keys"),
        ({"uniform": 3}, "must be a value or one of"),
        ({}, "must be a value or one of"),
        ({"uniform": [0]}, r"space\.a\.b\.uniform must be 2 numbers, \[low, high\], is \[0\]"),
        ({"uniform": [0, "1"]}, "must be 2 numbers"),
        ({"uniform": [0, True]}, "must be 2 numbers"),
        ({"uniform": [2, 1]}, "low < high"),
        ({"loguniform": [0, 1]}, "0 < low < high"),
        ({"randint": [0, 1.5]}, "2 whole numbers"),
        ({"quniform": [0, 1, 2]}, "a step between 0 and high - low"),
    ],
)
def test_mistakes_are_named_with_their_full_key(written, words):
    with pytest.raises(ValueError, match=words):
        parse_domain("a.b", written)
