import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mimic3d.metrics.bootstrap import BootstrapConfig, bootstrap_interval

CFG = BootstrapConfig(num_resamples=500)


def draw(seed, num, spread=1.0):
    return np.random.default_rng(seed).normal(3, spread, num), np.arange(num)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), num=st.integers(2, 60))
def test_the_mean_lies_inside(seed, num):
    values, identities = draw(seed, num)
    found = bootstrap_interval(values, identities, CFG)
    assert found.low <= found.mean <= found.high
    assert found.mean == pytest.approx(values.mean())
    rounding = 1e-12
    assert values.min() - rounding <= found.low
    assert found.high <= values.max() + rounding


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    hits = 0
    for seed in range(200):
        found = bootstrap_interval(*draw(seed, 50), BootstrapConfig(num_resamples=300))
        hits += found.low <= 3 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_more_identities_narrow_it_by_the_root():
    few, many = (bootstrap_interval(*draw(0, num), CFG) for num in (25, 2500))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.35)


def test_more_views_of_the_same_identities_narrow_nothing():
    values, identities = draw(1, 20)
    once = bootstrap_interval(values, identities, CFG)
    often = bootstrap_interval(np.tile(values, 10), np.tile(identities, 10), CFG)
    assert often.high - often.low == pytest.approx(once.high - once.low)


def test_it_equals_a_plain_loop():
    values, identities = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([7, 7, 3, 3, 5])
    groups = [[4.0, 8.0], [16.0], [1.0, 2.0]]  # in the order of the identities
    rng, means = np.random.default_rng(CFG.seed), []
    for row in rng.integers(3, size=(CFG.num_resamples, 3)):
        drawn = [value for member in row for value in groups[member]]
        means.append(sum(drawn) / len(drawn))
    low, high = np.quantile(means, (0.025, 0.975))
    found = bootstrap_interval(values, identities, CFG)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.mean == pytest.approx(31 / 5)


def test_what_could_not_be_scored_is_left_out():
    values, identities = draw(2, 10)
    with_gaps = np.concatenate([values, [np.nan, np.nan]])
    found = bootstrap_interval(with_gaps, np.arange(12), CFG)
    assert found == bootstrap_interval(values, identities, CFG)
    nothing = bootstrap_interval(np.full(3, np.nan), np.arange(3), CFG)
    assert all(math.isnan(value) for value in (nothing.mean, nothing.low, nothing.high))


def test_a_single_identity_has_no_width_and_seeds_repeat():
    found = bootstrap_interval(np.array([2.0, 4.0]), np.array([1, 1]), CFG)
    assert (found.low, found.mean, found.high) == (3, 3, 3)
    values, identities = draw(3, 30)
    assert bootstrap_interval(values, identities, CFG) == bootstrap_interval(
        values, identities, CFG
    )
    other = bootstrap_interval(values, identities, BootstrapConfig(num_resamples=500, seed=1))
    assert other != bootstrap_interval(values, identities, CFG)
