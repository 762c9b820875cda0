import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.rendering.composite import DENSITY_BIAS, interval_weights, sample_weights


def random_ray(seed: int):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 9, generator=rng, dtype=torch.float64) * 6
    depths = torch.rand(2, 3, 9, generator=rng, dtype=torch.float64).cumsum(-1) + 2
    return logits, depths


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_no_light_is_lost(seed):
    logits, depths = random_ray(seed)
    middle = (logits[..., 1:] + logits[..., :-1]) / 2
    escaped = torch.exp(-(F.softplus(middle + DENSITY_BIAS) * depths.diff(dim=-1)).sum(-1))
    total = interval_weights(logits, depths, 1.0).sum(-1) + escaped
    assert_close(total, torch.ones_like(total))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_equals_a_plain_loop(seed):
    logits, depths = random_ray(seed)
    weights = interval_weights(logits, depths, 1.0)
    for n in range(2):
        for r in range(3):
            light = 1.0
            for s in range(8):
                middle = (logits[n, r, s] + logits[n, r, s + 1]) / 2
                length = depths[n, r, s + 1] - depths[n, r, s]
                alpha = 1 - torch.exp(-F.softplus(middle - 1) * length)
                assert_close(weights[n, r, s], light * alpha)
                light = light * (1 - alpha)


def test_sample_weights_replace_averaging_of_colors():
    logits, depths = random_ray(1)
    weights = interval_weights(logits, depths, 1.0)
    colors = torch.rand(2, 3, 9, 4, dtype=torch.float64)
    averaged = (weights[..., None] * (colors[..., 1:, :] + colors[..., :-1, :]) / 2).sum(-2)
    assert_close((sample_weights(weights)[..., None] * colors).sum(-2), averaged)


def test_gain_multiplies_density():
    logits, depths = random_ray(2)
    escaped = 1 - interval_weights(logits, depths, 1.0).sum(-1)
    assert_close(1 - interval_weights(logits, depths, 3.0).sum(-1), escaped**3)
