"""Layers against numbers of the reference implementation."""

import math

import pytest
import torch
import torch.nn.functional as F
from golden.arrays import seeded_normal

from mimic3d.networks.layers import (
    LRELU_GAIN,
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

pytestmark = pytest.mark.golden


@pytest.mark.parametrize(
    ("name", "activation", "lr"), [("fc_lrelu_lr001", "lrelu", 0.01), ("fc_linear", "linear", 1.0)]
)
def test_fully_connected(golden, agree, name, activation, lr):
    arrays = golden("components/fc_mapping")
    layer = FullyConnected(7, 5, activation, lr)
    layer.load_state_dict(arrays.weights(f"{name}.sd."))
    agree(layer(arrays["fc.x"]), arrays[f"{name}.y"])


@pytest.mark.parametrize(
    ("case", "gain", "clamp"), [("def", 1.0, None), ("gain_clamp", 1.3 / LRELU_GAIN, 0.9)]
)
def test_bias_and_leaky_relu(golden, agree, case, gain, clamp):
    """Through a 1 x 1 convolution that hands its channels through."""
    arrays = golden("components/bias_act")
    layer = Conv(4, 4, kernel=1, gain=gain, clamp=clamp and clamp / gain)
    layer.weight.data = torch.eye(4)[:, :, None, None] * 2  # cancels equalisation
    layer.bias.data = arrays["b"].clone()
    x = arrays.leaf("x")
    y = layer(x[..., None])[..., 0]
    agree(y, arrays[f"lrelu.{case}.y"])
    y.backward(arrays["g"])
    agree(x.grad, arrays[f"lrelu.{case}.grad.x"])
    agree(layer.bias.grad, arrays[f"lrelu.{case}.grad.b"])


def test_bias_without_activation(golden, agree):
    arrays = golden("components/bias_act")
    layer = FullyConnected(4, 4)
    layer.weight.data = torch.eye(4) * 2  # cancels equalisation
    layer.bias.data = arrays["b"].clone()
    x = arrays.leaf("x")
    y = layer(x.mT).mT  # it acts on the last axis
    agree(y, arrays["linear.def.y"])
    y.backward(arrays["g"])
    agree(x.grad, arrays["linear.def.grad.x"])
    agree(layer.bias.grad, arrays["linear.def.grad.b"])


MODULATED = {  # case: up, demodulated, noise
    "k3_demod_noise": (False, True, "noise_same"),
    "k3_demod_nonoise": (False, True, None),
    "k3_demod_up2_noise": (True, True, "noise_up"),
    "k3_nodemod_up2": (True, False, None),
}


def modulated(x, weight, styles, up, demodulated):
    """A modulated convolution, put together from ours as `SynthesisLayer` does."""
    y = x * styles[:, :, None, None]
    if up:
        y = up_conv(y, weight.transpose(0, 1), build_fir(4))
    else:
        y = F.conv2d(y, weight, padding=1)
    return y * demodulation(weight, styles)[:, :, None, None] if demodulated else y


@pytest.mark.parametrize("case", MODULATED)
@pytest.mark.parametrize("form", ["unfused", "fused"])
def test_modulated_convolution_and_its_gradients(golden, agree, case, form):
    """The reference's two forms, with the styles on the features or on the weights, are equal."""
    arrays = golden("components/modulated_conv2d")
    up, demodulated, noise = MODULATED[case]
    leaves = {k: arrays.leaf(k) for k in ("x", "w", "styles")}
    y = modulated(*leaves.values(), up, demodulated)
    if noise:
        y = y + arrays[noise]
    agree(y, arrays[f"{case}.{form}.y"])
    y.backward(arrays[f"{case}.g"])
    for key, leaf in leaves.items():
        if f"{case}.{form}.grad.{key}" in arrays:
            agree(leaf.grad, arrays[f"{case}.{form}.grad.{key}"])
        else:
            assert form == "fused"  # its gradients are stored for one case


def test_synthesis_layer_is_that_modulated_convolution(golden, agree):
    """Bias, noise and leaky ReLU undone."""
    arrays = golden("components/modulated_conv2d")
    y = passed_through(arrays["x"], arrays["w"], arrays["styles"])
    agree(y, arrays["k3_demod_nonoise.unfused.y"])


@pytest.mark.parametrize("form", ["unfused", "fused"])
def test_modulated_convolution_in_half_precision(golden, agree, form):
    """The reference divides weights and styles by their largest values first; ours multiplies in
    the format of the input as they are."""
    arrays = golden("components/modulated_conv2d")
    x = (arrays["x"] * 20).half()
    y = passed_through(x, arrays["w"] * 30, arrays["styles"])
    assert y.dtype == torch.float16
    agree(y, arrays[f"k3_demod_fp16.{form}.y"], tolerance=2e-3)  # half precision has 11 bits


def passed_through(x, weight, styles):
    """A synthesis layer whose affine layer hands the styles through, without its activation."""
    out_channels, in_channels = weight.shape[:2]
    layer = SynthesisLayer(in_channels, out_channels, in_channels, x.shape[-1], up=False)
    layer.affine.weight.data = torch.eye(in_channels) * math.sqrt(in_channels)
    layer.affine.bias.data = torch.zeros(in_channels)
    layer.weight.data = weight.clone()
    y = layer(x, styles, "none")
    return torch.where(y > 0, y, y / 0.2) / LRELU_GAIN


def test_torgb_is_a_modulated_convolution(golden, agree):
    arrays = golden("components/modulated_conv2d")
    layer = ToRGB(6, 4, w_dim=6)  # an affine layer that hands the styles through
    layer.affine.weight.data, layer.affine.bias.data = torch.eye(6) * 6, torch.zeros(6)
    layer.weight.data = arrays["w1"].clone()
    x, styles = arrays.leaf("x"), arrays.leaf("styles")
    y = layer(x, styles)  # 6 ** 0.5 of equalisation cancels the gain
    agree(y, arrays["k1_nodemod.unfused.y"])
    agree(y, arrays["k1_nodemod.fused.y"])
    y.backward(arrays["k1_nodemod.g"])
    agree(x.grad, arrays["k1_nodemod.unfused.grad.x"])
    agree(styles.grad, arrays["k1_nodemod.unfused.grad.styles"])
    agree(layer.weight.grad, arrays["k1_nodemod.unfused.grad.w"])


@pytest.mark.parametrize("case", ["k3", "k3_up2", "k3_down2", "k1_down2"])
def test_resampled_convolution(golden, agree, case):
    arrays = golden("components/conv2d_resample")
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


def test_upsampling_convolution_in_groups(golden, agree):
    arrays = golden("components/conv2d_resample")
    weight = arrays["wg"].unflatten(0, (2, 4)).transpose(1, 2).flatten(0, 1)  # inputs first
    y = up_conv(arrays["x"], weight, build_fir(4), groups=2)
    agree(y, arrays["k3_groups2_up2.y"])


@pytest.mark.parametrize(
    ("size", "name"), [(2, "g2_f1"), (4, "g4_f1"), (8, "g8_f1"), (8, "gNone_f1")]
)
def test_minibatch_std_and_its_gradient(golden, agree, size, name):
    arrays = golden("components/minibatch_std")
    x = arrays.leaf("x")
    y = minibatch_std(x, size)
    agree(y, arrays[f"{name}.y"])
    y.backward(seeded_normal(100, y.shape))
    agree(x.grad, arrays[f"{name}.grad.x"])


@pytest.mark.parametrize("n", [1, 2])
def test_minibatch_std_of_less_than_a_group(golden, agree, n):
    arrays = golden("components/minibatch_std")
    agree(minibatch_std(arrays["x"][:n], 4), arrays[f"g4_f1_batch{n}.y"])
