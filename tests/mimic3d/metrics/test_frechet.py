import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mimic3d.metrics.features import FeatureStats
from mimic3d.metrics.frechet import feature_stats, frechet_distance, frechet_of_features


def random_features(seed, num, dim):
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=rng, dtype=torch.float64)
    shift = torch.randn(dim, generator=rng, dtype=torch.float64)
    return torch.randn(num, dim, generator=rng, dtype=torch.float64) @ mix + shift


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), num=st.sampled_from([5, 12, 80]))
def test_frechet_distance_equals_sqrtm(seed, num):
    """Also with fewer samples than dimensions, where sqrtm needs a nudge to converge."""
    x, y = random_features(seed, num, 12), random_features(seed + 1, num, 12)
    nudge = 1e-9 * np.eye(12)
    cov_x, cov_y = np.cov(x.numpy().T) + nudge, np.cov(y.numpy().T) + nudge
    root = np.real(scipy.linalg.sqrtm(cov_x @ cov_y))
    gap = float((x.mean(dim=0) - y.mean(dim=0)).square().sum())
    expected = gap + np.trace(cov_x + cov_y - 2 * root)
    found = frechet_distance(FeatureStats.of(x), FeatureStats.of(y))
    assert found == pytest.approx(expected, rel=1e-4, abs=2e-2)
    assert frechet_of_features(x, y) == pytest.approx(expected, rel=1e-4, abs=2e-2)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31), num=st.integers(2, 30), other=st.integers(2, 30))
def test_both_forms_agree_with_any_numbers_of_images(seed, num, other):
    x, y = random_features(seed, num, 10), random_features(seed + 1, other, 10)
    expected = frechet_distance(feature_stats(x), feature_stats(y))
    assert frechet_of_features(x, y) == pytest.approx(expected, rel=1e-6, abs=1e-4)


def test_frechet_distance_of_shifted_and_scaled_gaussians():
    """By hand: |m|^2 + d (s - 1)^2 for covariances s^2 I and I."""
    base = torch.randn(50, 6, dtype=torch.float64)
    base = base - base.mean(dim=0)
    white = base @ torch.linalg.inv(torch.linalg.cholesky(base.T.cov())).T
    assert frechet_of_features(white, white) == pytest.approx(0, abs=1e-9)
    assert frechet_of_features(white, 3 * white + 2) == pytest.approx(6 * 4 + 6 * 4)


def test_frechet_distance_of_few_samples_is_zero_to_itself_and_symmetric():
    few, other = random_features(0, 5, 64), random_features(1, 5, 64)
    assert frechet_of_features(few, few) == pytest.approx(0, abs=1e-9)
    assert frechet_of_features(few, other) == pytest.approx(frechet_of_features(other, few))
