import zlib

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch.testing import assert_close

from mimic3d.losses.perceptual import (
    BLOCKS,
    LAYERS,
    Perceptual,
    PerceptualConfig,
    build_perceptual,
)


def reference_weights() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights the golden numbers were computed with: drawn from each tensor's name."""

    def draw(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        seed = zlib.crc32(("vgg" + name).encode()) & 0xFFFFFFFF
        return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).float()

    vgg, linear = {}, {}
    network = Perceptual()
    block_of = [b for b, (_, depth) in enumerate(BLOCKS) for _ in range(depth)]
    for b, index, conv in zip(block_of, LAYERS, network.convolutions(), strict=True):
        shape, name = tuple(conv.weight.shape), f"net.slice{b + 1}.{index}"
        scale = (2 / (shape[1] * 9)) ** 0.5
        vgg[f"features.{index}.weight"] = draw(name + ".weight", shape) * scale
        vgg[f"features.{index}.bias"] = draw(name + ".bias", shape[:1]) * 0.05
    for b, (channels, _) in enumerate(BLOCKS):
        name = f"lin{b}.model.1.weight"
        linear[name] = draw(name, (1, channels, 1, 1)).abs() / channels
    return vgg, linear


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Perceptual:
    folder = tmp_path_factory.mktemp("weights")
    vgg, linear = reference_weights()
    torch.save(vgg, folder / "vgg16.pth")
    save_file(linear, folder / "lpips.safetensors")
    cfg = PerceptualConfig(
        network="lpips_vgg16",
        vgg16_weights=str(folder / "vgg16.pth"),
        lpips_weights=str(folder / "lpips.safetensors"),
    )
    return build_perceptual(cfg)


@pytest.mark.parametrize("side", [16, 64])
def test_matches_the_reference(golden, reference, side):
    numbers = golden("losses/lpips")
    image = numbers[f"r{side}.in0"].requires_grad_()
    value = reference(image, numbers[f"r{side}.in1"])
    assert_close(value, numbers[f"r{side}.value"].flatten(), rtol=1e-5, atol=0)
    (grad,) = torch.autograd.grad(value.sum(), image)
    expected = numbers[f"r{side}.grad_in0"]
    assert (grad - expected).norm() / expected.norm() < 1e-3  # ReLU and max-pool ties move it


def test_random_network_is_a_distance():
    network = build_perceptual(PerceptualConfig(channel_divisor=8))
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    assert_close(network(images, images), torch.zeros(3))
    near, far = images + 0.02 * torch.randn(3, 3, 32, 32), torch.rand(3, 3, 32, 32) * 2 - 1
    assert (network(near, images) < network(far, images)).all()
    again = build_perceptual(PerceptualConfig(channel_divisor=8))
    assert network(near, images).equal(again(near, images))


def test_black_images_have_finite_gradients():
    network = build_perceptual(PerceptualConfig(channel_divisor=64))
    image = torch.full((1, 3, 16, 16), -1.0, requires_grad=True)
    network(image, torch.full((1, 3, 16, 16), -1.0)).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_missing_weights_are_explained(tmp_path):
    with pytest.raises(ValidationError, match="needs vgg16_weights and lpips_weights"):
        PerceptualConfig(network="lpips_vgg16")
    cfg = PerceptualConfig(
        network="lpips_vgg16", vgg16_weights=str(tmp_path / "no.pth"), lpips_weights="no.pth"
    )
    with pytest.raises(ValueError, match=r"vgg16_weights must be the path.*no\.pth; download"):
        build_perceptual(cfg)
