import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mimic3d.networks.layers import (
    Conv,
    DownConv,
    DownSkip,
    FullyConnected,
    SynthesisLayer,
    ToRGB,
    demodulation,
    minibatch_std,
    up_conv,
)
from mimic3d.networks.resample import build_fir


@pytest.mark.parametrize(
    ("name", "activation", "lr"), [("fc_lrelu_lr001", "lrelu", 0.01), ("fc_linear", "linear", 1.0)]
)
def test_fully_connected_matches_reference(golden, agree, name, activation, lr):
    arrays = golden("fc_mapping")
    layer = FullyConnected(7, 5, activation, lr)
    layer.load_state_dict(arrays.weights(f"{name}.sd."))
    agree(layer(arrays["fc.x"]), arrays[f"{name}.y"])


MODULATED = {  # case: up, demodulated, noise
    "k3_demod_noise": (False, True, "noise_same"),
    "k3_demod_nonoise": (False, True, None),
    "k3_demod_up2_noise": (True, True, "noise_up"),
    "k3_nodemod_up2": (True, False, None),
}


@pytest.mark.parametrize("case", MODULATED)
def test_modulated_convolution_and_its_gradients_match_reference(golden, agree, case):
    arrays = golden("modulated_conv2d")
    up, demodulated, noise = MODULATED[case]
    x, weight, styles = leaves = [arrays.leaf(k) for k in ("x", "w", "styles")]
    y = x * styles[:, :, None, None]
    if up:
        y = up_conv(y, weight.transpose(0, 1), build_fir(4))
    else:
        y = F.conv2d(y, weight, padding=1)
    if demodulated:
        y = y * demodulation(weight, styles)[:, :, None, None]
    if noise:
        y = y + arrays[noise]
    agree(y, arrays[f"{case}.unfused.y"])
    gradients = torch.autograd.grad(y, leaves, arrays[f"{case}.g"])
    for gradient, key in zip(gradients, ("x", "w", "styles"), strict=True):
        agree(gradient, arrays[f"{case}.unfused.grad.{key}"])


def test_torgb_is_a_modulated_convolution(golden, agree):
    arrays = golden("modulated_conv2d")
    layer = ToRGB(6, 4, w_dim=6)  # an affine layer that hands the styles through
    layer.affine.weight.data, layer.affine.bias.data = torch.eye(6) * 6, torch.zeros(6)
    layer.weight.data = arrays["w1"]
    x, styles = arrays.leaf("x"), arrays.leaf("styles")
    y = layer(x, styles)  # 6 ** 0.5 of equalisation cancels the gain
    agree(y, arrays["k1_nodemod.unfused.y"])
    y.backward(arrays["k1_nodemod.g"])
    agree(x.grad, arrays["k1_nodemod.unfused.grad.x"])
    agree(styles.grad, arrays["k1_nodemod.unfused.grad.styles"])
    agree(layer.weight.grad, arrays["k1_nodemod.unfused.grad.w"])


@pytest.mark.parametrize("case", ["k3", "k3_up2", "k3_down2", "k1_down2"])
def test_resampled_convolution_matches_reference(golden, agree, case):
    arrays = golden("conv2d_resample")
    x, weight = arrays.leaf("x"), arrays.leaf("w1" if case == "k1_down2" else "w3")
    if case == "k3_up2":
        y = up_conv(x, weight.transpose(0, 1), build_fir(4))
    else:
        layer = {
            "k3": Conv(4, 6, kernel=3),
            "k3_down2": DownConv(4, 6),
            "k1_down2": DownSkip(4, 6, gain=1.0),
        }[case]
        y = run_linear(layer, weight, x)
    agree(y, arrays[f"{case}.y"])
    gradients = torch.autograd.grad(y, [x, weight], arrays[f"{case}.g"])
    agree(gradients[0], arrays[f"{case}.grad.x"])
    agree(gradients[1], arrays[f"{case}.grad.w"])


def run_linear(layer, weight, x):
    """The layer without gains; a large bias keeps it on the linear side of its ReLU."""
    parameters = {"weight": weight / layer.weight_gain}
    if isinstance(layer, DownSkip):
        return torch.func.functional_call(layer, parameters, x)
    parameters["bias"] = torch.full([weight.shape[0]], 64 / layer.bias_gain)
    return torch.func.functional_call(layer, parameters, x) - 64


def test_minibatch_std_matches_reference(golden, agree):
    arrays = golden("minibatch_std")
    for size in (2, 4):
        agree(minibatch_std(arrays["x"], size), arrays[f"g{size}_f1.y"])
    for n in (1, 2):
        agree(minibatch_std(arrays["x"][:n], 4), arrays[f"g4_f1_batch{n}.y"])


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
