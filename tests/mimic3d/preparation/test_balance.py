import numpy as np
import pytest

from mimic3d.preparation.balance import RebalanceConfig, effective_number, pose_weights

YAWS = np.concatenate([np.full(160, 0.01), np.full(40, 0.5), np.full(10, -0.89), np.full(1, 0.9)])


def weights(mirror=False, **changes):
    return pose_weights(YAWS, mirror, RebalanceConfig(**changes))


def test_without_strength_all_images_count_the_same():
    assert (weights() == 1).all()
    assert effective_number(weights()) == len(YAWS)


def test_full_strength_flattens_the_histogram_up_to_the_limit():
    flat = weights(strength=1)
    sums = [flat[YAWS == yaw].sum() for yaw in (0.01, 0.5, -0.89)]
    assert sums == pytest.approx([160, 160, 160])
    assert flat[-1] == 16  # of 160 without the limit
    assert weights(strength=1, max_weight=1000)[-1] == 160


def test_half_strength_is_the_root():
    half, full = weights(strength=0.5, max_weight=1e9), weights(strength=1, max_weight=1e9)
    np.testing.assert_allclose(half**2, full, rtol=1e-6)


def test_an_image_and_its_mirror_image_share_a_weight():
    both = weights(mirror=True, strength=1, max_weight=1000)
    assert both[-1] == both[YAWS == -0.89][0] == pytest.approx(320 / 11)  # one bin, mirrored
    assert both[YAWS == 0.01][0] == 1
    mirrored = pose_weights(-YAWS, True, RebalanceConfig(strength=1, max_weight=1000))
    np.testing.assert_allclose(mirrored, both)


def test_the_effective_number_counts_equals():
    assert effective_number(np.array([1, 1, 0, 0], dtype=np.float32)) == 2
    assert effective_number(np.full(7, 3, dtype=np.float32)) == pytest.approx(7)
    assert effective_number(np.array([1, 100], dtype=np.float32)) == pytest.approx(1.02, abs=0.01)
