import numpy as np
import pytest
import scipy.stats
import torch

from mimic3d.metrics.kernel import KernelConfig, kernel_distance, student_quantile


def gaussian(seed, num, shift=0.0, dim=8):
    return torch.randn(num, dim, generator=torch.Generator().manual_seed(seed)) + shift


def plain_discrepancy(x, y):
    """Every pair of different samples, one by one."""
    num, dim = x.shape
    total = 0.0
    for i in range(num):
        for j in range(num):
            if i != j:
                total += ((x[i] @ x[j]) / dim + 1) ** 3 / (num * (num - 1))
                total += ((y[i] @ y[j]) / dim + 1) ** 3 / (num * (num - 1))
            total -= 2 * ((x[i] @ y[j]) / dim + 1) ** 3 / num**2
    return total


def test_the_mean_over_subsets_equals_plain_loops():
    x, y = gaussian(0, 43), gaussian(1, 43, shift=0.3)
    cfg = KernelConfig(min_subsets=4, seed=7)
    found = kernel_distance(x, y, cfg)
    orders = [np.random.RandomState([7, which]).permutation(43) for which in (0, 1)]
    parts = [
        plain_discrepancy(
            x.double().numpy()[orders[0][first : first + 10]],
            y.double().numpy()[orders[1][first : first + 10]],
        )
        for first in (0, 10, 20, 30)
    ]
    assert found.mean == pytest.approx(np.mean(parts), rel=1e-9)
    reach = scipy.stats.t.ppf(0.975, 3) * scipy.stats.sem(parts)
    assert found.high - found.mean == pytest.approx(reach, rel=0.01)
    assert found.mean - found.low == pytest.approx(reach, rel=0.01)


@pytest.mark.parametrize("degrees", [3, 5, 9, 49, 1000])
def test_quantiles_of_student_match_scipy(degrees):
    expected = scipy.stats.t.ppf(0.975, degrees)
    assert student_quantile(0.975, degrees) == pytest.approx(expected, rel=0.01)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Two sets of one distribution are 0 apart."""
    cfg = KernelConfig(level=0.8)
    covered = 0
    for seed in range(60):
        found = kernel_distance(gaussian(seed, 100), gaussian(1000 + seed, 100), cfg)
        covered += found.low <= 0 <= found.high
    assert 39 <= covered <= 57


def test_the_size_of_subsets_does_not_move_what_is_expected():
    """Unbiased: unlike the Frechet distance, small sets are not farther apart."""
    means = {}
    for size in (5, 100):
        cfg = KernelConfig(subset_size=size)
        found = [
            kernel_distance(gaussian(s, 1000), gaussian(99 + s, 1000, 0.5), cfg) for s in (0, 1)
        ]
        means[size] = np.mean([interval.mean for interval in found])
    assert means[5] == pytest.approx(means[100], rel=0.1)


def test_it_is_deterministic_and_grows_with_the_distance():
    cfg = KernelConfig()
    near = kernel_distance(gaussian(0, 100), gaussian(1, 100, 0.1), cfg)
    far = kernel_distance(gaussian(0, 100), gaussian(1, 100, 1.0), cfg)
    assert near == kernel_distance(gaussian(0, 100), gaussian(1, 100, 0.1), cfg)
    assert far.low > near.high
    assert near != kernel_distance(gaussian(0, 100), gaussian(1, 100, 0.1), KernelConfig(seed=1))


def test_too_few_images_are_refused():
    kernel_distance(gaussian(0, 8), gaussian(1, 8), KernelConfig())
    with pytest.raises(ValueError, match="at least 8 images in each set, has 8 and 7"):
        kernel_distance(gaussian(0, 8), gaussian(1, 7), KernelConfig())
