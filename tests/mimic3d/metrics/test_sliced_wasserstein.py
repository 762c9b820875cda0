import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mimic3d.metrics.features import RandomConvFeatures, to_uint8
from mimic3d.metrics.frechet import frechet_of_features
from mimic3d.metrics.sliced_wasserstein import (
    PatchConfig,
    laplacian_pyramid,
    merge_patches,
    sample_patches,
    sliced_wasserstein,
)

CFG = PatchConfig(patches_per_image=32, num_projections=64)


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


def patches_of(images, batch=32):
    stored = to_uint8(images)
    parts = [
        sample_patches(stored[first : first + batch], first, CFG)
        for first in range(0, len(images), batch)
    ]
    return merge_patches(parts)


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
    network = RandomConvFeatures()
    features, patches = network(to_uint8(real)), patches_of(real)
    return {
        name: (
            frechet_of_features(features, network(to_uint8(images))),
            sliced_wasserstein(patches, patches_of(images), CFG),
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
    patches = patches_of(blobs(8, 0))
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


def test_patches_do_not_depend_on_batch():
    images = blobs(6, 0)
    one, many = patches_of(images, batch=1), patches_of(images, batch=6)
    for a, b in zip(one.levels, many.levels, strict=True):
        torch.testing.assert_close(a, b)


def test_sets_of_other_sizes_are_refused():
    four, five = patches_of(blobs(4, 0)), patches_of(blobs(5, 0))
    with pytest.raises(ValueError, match="equally many images"):
        sliced_wasserstein(four, five, CFG)
    assert len(merge_patches([four, five]).levels[0]) == 9 * CFG.patches_per_image
