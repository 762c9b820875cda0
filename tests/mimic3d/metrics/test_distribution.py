import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mimic3d.metrics.distribution import (
    ImageSummary,
    PatchConfig,
    frechet_distance,
    laplacian_pyramid,
    merge_patches,
    sample_patches,
    sliced_wasserstein,
)
from mimic3d.metrics.features import FeatureStats, RandomConvFeatures

CFG = PatchConfig(patches_per_image=32, num_projections=64)


def random_stats(seed, num, dim):
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=rng, dtype=torch.float64)
    shift = torch.randn(dim, generator=rng, dtype=torch.float64)
    return FeatureStats.of(torch.randn(num, dim, generator=rng, dtype=torch.float64) @ mix + shift)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), num=st.sampled_from([5, 12, 80]))
def test_frechet_distance_equals_sqrtm(seed, num):
    """Also with fewer samples than dimensions, where sqrtm needs a nudge to converge."""
    a, b = random_stats(seed, num, 12), random_stats(seed + 1, num, 12)
    nudge = 1e-9 * np.eye(12)
    cov_a, cov_b = a.covariance.numpy() + nudge, b.covariance.numpy() + nudge
    root = np.real(scipy.linalg.sqrtm(cov_a @ cov_b))
    expected = float((a.mean - b.mean).square().sum()) + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4, abs=2e-2)


def test_frechet_distance_of_shifted_and_scaled_gaussians():
    """By hand: |m|^2 + d (s - 1)^2 for covariances s^2 I and I."""
    base = torch.randn(50, 6, dtype=torch.float64)
    base = base - base.mean(dim=0)
    white = base @ torch.linalg.inv(torch.linalg.cholesky(base.T.cov())).T
    a = FeatureStats.of(white)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, FeatureStats.of(3 * white + 2)) == pytest.approx(6 * 4 + 6 * 4)


def test_frechet_distance_of_few_samples_is_zero_to_itself_and_symmetric():
    few, other = random_stats(0, 5, 64), random_stats(1, 5, 64)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(few, other) == pytest.approx(frechet_distance(other, few))


def test_pyramid_sums_to_the_image():
    images = torch.randn(2, 3, 64, 64)
    levels = laplacian_pyramid(images, smallest=16)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    flat = laplacian_pyramid(torch.ones(1, 3, 64, 64), smallest=16)
    assert max(level.abs().max() for level in flat[:-1]) < 1e-5
    torch.testing.assert_close(flat[-1], torch.ones(1, 3, 16, 16))


def blobs(num, seed):
    """Images of coloured blobs with texture in every octave."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.zeros(num, 3, 64, 64)
    for side, strength in ((5, 0.6), (16, 0.2), (32, 0.15), (64, 0.03)):
        octave = torch.randn(num, 3, side, side, generator=rng)
        image += strength * F.interpolate(octave, (64, 64), mode="bilinear", align_corners=False)
    return image.clamp(-1, 1)


def summary(images, batch=32):
    result = ImageSummary(RandomConvFeatures(), CFG)
    for first in range(0, len(images), batch):
        result.append(images[first : first + batch], first)
    return result


@pytest.fixture(scope="module")
def scores():
    real, other = blobs(96, 0), blobs(96, 1)
    rng = torch.Generator().manual_seed(2)
    cases = {
        "floor": other,
        "blur": F.avg_pool2d(F.pad(other, (1, 1, 1, 1), mode="replicate"), 3, stride=1),
        "noise": other + 0.1 * torch.randn(other.shape, generator=rng),
        "collapse": other[:8].repeat(12, 1, 1, 1),
        "dark": other * 0.6 - 0.4,
    }
    reference = summary(real)
    return {
        name: (
            frechet_distance(reference.features, (found := summary(images)).features),
            sliced_wasserstein(reference.patches, found.patches, CFG),
        )
        for name, images in cases.items()
    }


@pytest.mark.parametrize("fault", ["blur", "noise", "collapse", "dark"])
def test_frechet_distance_of_random_features_catches(scores, fault):
    assert scores[fault][0] > 1.4 * scores["floor"][0]


@pytest.mark.parametrize(("fault", "side"), [("blur", 64), ("noise", 64), ("collapse", 16)])
def test_sliced_wasserstein_catches_at_its_level(scores, fault, side):
    assert scores[fault][1][side] > 1.4 * scores["floor"][1][side]


def test_sliced_wasserstein_of_a_set_to_itself_is_zero():
    patches = summary(blobs(8, 0)).patches
    assert set(sliced_wasserstein(patches, patches, CFG).values()) == {0.0}


def test_sliced_wasserstein_equals_a_plain_loop():
    cfg = PatchConfig(patches_per_image=4, num_projections=3, seed=5)
    a, b = (sample_patches((blobs(4, seed) * 127 + 128).to(torch.uint8), 0, cfg) for seed in (0, 1))
    found = sliced_wasserstein(a, b, cfg)
    directions = np.random.RandomState(5).standard_normal((3, 147))
    for level, side in enumerate(a.sides):
        total = 0.0
        for direction in directions:
            sides = []
            for patches in (a.levels[level].double().numpy(), b.levels[level].double().numpy()):
                scaled = patches.copy()
                for channel in range(3):
                    part = patches[:, channel]
                    scaled[:, channel] = (part - part.mean()) / part.std(ddof=1)
                flat = scaled.reshape(len(scaled), -1)
                sides.append(np.sort(flat @ direction / np.linalg.norm(direction)))
            total += np.abs(sides[0] - sides[1]).mean()
        assert found[side] == pytest.approx(1000 * total / 3, rel=1e-4)


def test_summaries_do_not_depend_on_batch():
    images = blobs(6, 0)
    one, many = summary(images, batch=1), summary(images, batch=6)
    torch.testing.assert_close(one.features.covariance, many.features.covariance)
    for a, b in zip(one.patches.levels, many.patches.levels, strict=True):
        torch.testing.assert_close(a, b)


def test_sets_of_other_sizes_are_refused():
    four, five = summary(blobs(4, 0)).patches, summary(blobs(5, 0)).patches
    with pytest.raises(ValueError, match="equally many images"):
        sliced_wasserstein(four, five, CFG)
    assert len(merge_patches([four, five]).levels[0]) == 9 * CFG.patches_per_image
