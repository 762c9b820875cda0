import math

import numpy as np
import pandas as pd
import pytest

from experiments.ablation.intervals import estimate, over_seeds, seed_means


def test_student_interval_of_three_seeds():
    found = over_seeds(np.array([1.0, 2.0, 3.0]))
    half = 4.302653 / 3**0.5  # the 97.5 % point of Student's t with two degrees of freedom
    assert found.mean == 2
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))


def test_intervals_of_three_seeds_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    num, covered = 2000, 0
    for _ in range(num):
        objects = rng.normal(0, 1, (64, 3)) + rng.normal(0, 1, 3)
        found = estimate(pd.DataFrame(objects))
        covered += found.low < 0 < found.high
    assert covered / num == pytest.approx(0.95, abs=0.02)


def test_one_seed_has_the_interval_of_its_objects():
    found = estimate(pd.DataFrame({0: [1.0, 2.0, 3.0, math.nan]}))
    assert found.mean == 2
    assert 1 <= found.low < 2 < found.high <= 3


def test_one_number_of_one_seed_has_no_interval():
    found = estimate(pd.DataFrame({0: [4.0]}))
    assert found.mean == 4
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_objects_that_could_not_be_compared_are_left_out():
    table = pd.DataFrame({0: [1.0, math.nan], 1: [math.nan, math.nan], 2: [2.0, 4.0]})
    assert seed_means(table).tolist() == [1.0, 3.0]
    assert estimate(table).mean == 2
    assert math.isnan(estimate(table[[1]]).mean)
