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


def test_matches_the_reference(golden):
    numbers = golden("components/ray_marcher")
    logits = numbers["densities"].requires_grad_()
    depths = numbers["depths"].requires_grad_()
    colors = numbers["colors"].requires_grad_()
    weights = interval_weights(logits[..., 0], depths[..., 0], 1.0)
    assert_close(weights, numbers["plain.weights"][..., 0], rtol=1e-5, atol=1e-6)
    for name, back in (("plain", 0.0), ("white", 1.0)):
        features = torch.einsum("nrs,nrsc->nrc", sample_weights(weights), colors)
        image = (features + back * (1 - weights.sum(-1, keepdim=True))) * 2 - 1
        assert_close(image, numbers[f"{name}.rgb"], rtol=1e-5, atol=1e-5)
        loss = (image * numbers["g_rgb"]).sum()
        inputs = {"colors": colors, "densities": logits, "depths": depths}
        grads = torch.autograd.grad(loss, list(inputs.values()), retain_graph=True)
        for key, grad in zip(inputs, grads, strict=True):
            assert_close(grad, numbers[f"{name}.rgb.grad.{key}"], rtol=1e-4, atol=1e-5)


def test_gain_multiplies_density():
    logits, depths = random_ray(2)
    escaped = 1 - interval_weights(logits, depths, 1.0).sum(-1)
    assert_close(1 - interval_weights(logits, depths, 3.0).sum(-1), escaped**3)
