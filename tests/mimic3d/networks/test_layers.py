import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mimic3d.networks.layers import SynthesisLayer, minibatch_std
from mimic3d.networks.resample import build_fir


def test_minibatch_std_rejects_a_partial_group():
    with pytest.raises(ValueError, match="mbstd_group_size = 4 or a multiple of it, is 6"):
        minibatch_std(torch.rand(6, 1, 4, 4), 4)


def test_minibatch_std_of_equal_samples_is_almost_zero():
    y = minibatch_std(torch.rand(1, 3, 4, 4).expand(4, -1, -1, -1), 4)
    assert_close(y[:, 3], torch.full((4, 4, 4), 1e-4))  # sqrt of the epsilon


def build_layer(up=False, num_planes=1):
    layer = SynthesisLayer(4, 6, w_dim=8, resolution=16, up=up, num_planes=num_planes)
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.ones_(layer.noise_strength)
    return layer


@pytest.mark.parametrize("up", [False, True])
def test_synthesis_layer_equals_one_plain_convolution_per_sample(up):
    layer = build_layer(up).double()
    x = torch.randn(3, 4, 8 if up else 16, 8 if up else 16, dtype=torch.float64)
    w = torch.randn(3, 8, dtype=torch.float64)
    for k, style in enumerate(layer.affine(w)):
        weight = layer.weight * style[:, None, None]
        weight = weight / (weight.square().sum(dim=[1, 2, 3], keepdim=True) + 1e-8).sqrt()
        if up:
            y = F.conv_transpose2d(x[k : k + 1], weight.transpose(0, 1), stride=2)
            fir = build_fir(4).double().expand(6, 1, 4, 4)
            y = F.conv2d(F.pad(y, [1] * 4), fir, groups=6)
        else:
            y = F.conv2d(x[k : k + 1], weight, padding=1)
        y = y + layer.noise_const + layer.bias[:, None, None]
        expected = F.leaky_relu(y, 0.2) * math.sqrt(2)
        assert_close(layer(x, w, "const")[k : k + 1], expected)


def test_noise_is_none_stored_or_drawn_per_sample():
    layer = build_layer(num_planes=3)
    x, w = torch.randn(1, 4, 16, 16).expand(6, -1, -1, -1), torch.randn(1, 8).expand(2, -1)
    silent, stored = layer(x, w, "none"), layer(x, w, "const")
    assert_close(silent[:3], silent[3:])
    assert_close(stored[:3], stored[3:])
    assert not torch.allclose(silent, stored)
    first = layer(x, w, torch.Generator().manual_seed(1))
    assert not torch.allclose(first[:3], first[3:])
    assert_close(first, layer(x, w, torch.Generator().manual_seed(1)), rtol=0, atol=0)
    assert not torch.allclose(first, layer(x, w, torch.Generator().manual_seed(2)))


def test_noise_has_the_stated_strength_and_no_colour():
    layer = build_layer()
    layer.noise_strength.data.fill_(100.0)  # drowns the convolution
    x, w = torch.zeros(2, 4, 16, 16), torch.zeros(2, 8)
    y = layer(x, w, torch.Generator().manual_seed(1))
    linear = torch.where(y > 0, y, y / 0.2) / math.sqrt(2) - layer.bias[:, None, None]
    assert 85 < linear.std() < 115
    assert_close(linear, linear[:, :1].expand_as(linear), rtol=0, atol=1e-3)


def test_planes_have_their_own_styles_and_share_the_weight():
    layer = build_layer(num_planes=3)
    x, w = torch.randn(1, 4, 16, 16).expand(3, -1, -1, -1), torch.randn(1, 8)
    y = layer(x, w, "none")
    assert not torch.allclose(y[0], y[1])
    with torch.no_grad():
        layer.affine.weight.copy_(layer.affine.weight[:4].repeat(3, 1))
    y = layer(x, w, "none")
    assert_close(y[0], y[1])


def test_outputs_have_unit_variance_at_initialisation():
    layer = SynthesisLayer(64, 64, w_dim=8, resolution=32, up=False)
    y = layer(torch.randn(2, 64, 32, 32), torch.randn(2, 8), "none")
    assert 0.8 < y.square().mean() < 1.2


def test_gradients_are_right():
    layer = SynthesisLayer(2, 3, w_dim=4, resolution=8, up=True).double()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: layer(x, w, "const"), (x, w))


@pytest.mark.parametrize("up", [False, True])
def test_demodulation_undoes_the_size_of_a_style(up):
    layer, side = build_layer(up), 8 if up else 16
    x, w = torch.randn(2, 4, side, side), torch.randn(2, 8)
    before = layer(x, w, "none")
    with torch.no_grad():
        layer.affine.weight *= 7
        layer.affine.bias *= 7
    assert_close(layer(x, w, "none"), before, rtol=1e-4, atol=1e-4)
