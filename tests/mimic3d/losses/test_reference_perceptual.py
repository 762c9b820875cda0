"""LPIPS against numbers of the reference, with weights that both draw from names."""

import json

import pytest
import torch
from golden.networks import build_perceptual
from golden.weights import vgg_state

from mimic3d.losses.perceptual import Perceptual

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return build_perceptual()


def test_weights_are_those_of_the_reference(golden):
    """Sums, sums of absolute values and shapes of all tensors."""
    vgg, linear = vgg_state()
    sums = json.loads(golden("losses/lpips").text("weight_checksums_json"))
    checked = 0
    for name, (total, absolute, shape) in sums.items():
        if name.startswith("net."):
            tensor = vgg["features." + name.split(".", 2)[2]]
        elif name.startswith("lin") and name in linear:
            tensor = linear[name]
        else:
            continue  # the constants of the input, and other names of the linear weights
        assert list(tensor.shape) == shape, name
        assert tensor.double().sum().item() == pytest.approx(total, rel=1e-6, abs=1e-6), name
        assert tensor.double().abs().sum().item() == pytest.approx(absolute, rel=1e-6), name
        checked += 1
    assert checked == len(vgg) + len(linear)


@pytest.mark.parametrize("side", [16, 64])
def test_distance_and_its_gradient(golden, agree, perceptual, side):
    arrays = golden("losses/lpips")
    image = arrays.leaf(f"r{side}.in0")
    value = perceptual(image, arrays[f"r{side}.in1"])
    agree(value[:, None, None, None], arrays[f"r{side}.value"])
    value.sum().backward()
    agree(image.grad, arrays[f"r{side}.grad_in0"], tolerance=1e-3)  # ties of max-pooling


@pytest.mark.parametrize("side", [16, 64])
def test_every_layer(golden, agree, perceptual, side):
    arrays = golden("losses/lpips")
    image, target = arrays[f"r{side}.in0"], arrays[f"r{side}.in1"]
    distances = perceptual.layer_distances(image, target)
    features = perceptual.activations(image)
    for k in range(5):
        agree(distances[:, k, None, None, None], arrays[f"r{side}.layer{k}"])
        agree(features[k].abs().mean(dim=[2, 3]), arrays[f"r{side}.feat{k}_meanabs"])
    agree(features[0][:, :8, :8, :8], arrays[f"r{side}.feat0_crop"])
    agree(features[4][:, ::16], arrays[f"r{side}.feat4"])


def test_the_input_is_shifted_and_scaled_as_published(golden, perceptual):
    sums = json.loads(golden("losses/lpips").text("weight_checksums_json"))
    for name, buffer in (("shift", perceptual.shift), ("scale", perceptual.scale)):
        total, absolute, _ = sums[f"scaling_layer.{name}"]
        assert buffer.sum().item() == pytest.approx(total, abs=1e-6)
        assert buffer.abs().sum().item() == pytest.approx(absolute, abs=1e-6)
    assert torch.all(perceptual.scale > 0)
