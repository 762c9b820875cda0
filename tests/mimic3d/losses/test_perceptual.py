from pathlib import Path

import pytest
import torch
from golden.weights import vgg_state
from pydantic import ValidationError
from safetensors.torch import save_file
from torch.testing import assert_close

from mimic3d.losses.perceptual import LAYERS, PerceptualConfig, build_perceptual


@pytest.fixture(scope="module")
def weight_files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    vgg, linear = vgg_state()
    torch.save(vgg, folder / "vgg16.pth", _use_new_zipfile_serialization=False)  # as torchvision's
    save_file(linear, folder / "lpips.safetensors")
    return folder


def config(folder: Path, **others) -> PerceptualConfig:
    names = {
        "vgg16_weights": str(folder / "vgg16.pth"),
        "vgg16_sha256": None,
        "lpips_weights": (folder / "lpips.safetensors").as_uri(),
    }
    return PerceptualConfig(network="lpips_vgg", **(names | others))


def test_both_kinds_of_files_are_read(weight_files, tmp_path):
    """Every tensor is where it belongs; test_reference_perceptual.py says what comes of it."""
    network = build_perceptual(config(weight_files), tmp_path)
    vgg, linear = vgg_state()
    for index, conv in zip(LAYERS, network.convolutions(), strict=True):
        assert conv.weight.equal(vgg[f"features.{index}.weight"])
        assert conv.bias.equal(vgg[f"features.{index}.bias"])
    for i, weight in enumerate(network.linear):
        assert weight.equal(linear[f"lin{i}.model.1.weight"].flatten())


def test_random_network_is_a_distance(tmp_path):
    network = build_perceptual(PerceptualConfig(channel_divisor=8), tmp_path)
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    assert_close(network(images, images), torch.zeros(3))
    near, far = images + 0.02 * torch.randn(3, 3, 32, 32), torch.rand(3, 3, 32, 32) * 2 - 1
    assert (network(near, images) < network(far, images)).all()
    again = build_perceptual(PerceptualConfig(channel_divisor=8), tmp_path)
    assert network(near, images).equal(again(near, images))
    assert list(tmp_path.iterdir()) == []


def test_black_images_have_finite_gradients(tmp_path):
    network = build_perceptual(PerceptualConfig(channel_divisor=64), tmp_path)
    image = torch.full((1, 3, 16, 16), -1.0, requires_grad=True)
    network(image, torch.full((1, 3, 16, 16), -1.0)).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_the_defaults_are_the_public_files():
    cfg = PerceptualConfig(network="lpips_vgg")
    assert cfg.vgg16_weights.endswith(f"-{cfg.vgg16_sha256}.pth")  # what torch.hub checks
    assert cfg.lpips_weights.endswith("/lpips/weights/v0.1/vgg.pth")
    with pytest.raises(ValidationError, match="channel_divisor must be 1"):
        PerceptualConfig(network="lpips_vgg", channel_divisor=2)
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        PerceptualConfig(vgg16_sha256="")


def test_files_that_cannot_be_used_are_explained(weight_files, tmp_path):
    cfg = config(weight_files, vgg16_weights=str(tmp_path / "no.pth"))
    with pytest.raises(
        ValueError, match=r"imitate\..*vgg16_weights must be a URL or.*no\.pth; put"
    ):
        build_perceptual(cfg, tmp_path)
    cfg = config(weight_files, vgg16_sha256="397923af")
    with pytest.raises(ValueError, match=r"SHA-256 of .*vgg16\.pth must begin with 397923af, is"):
        build_perceptual(cfg, tmp_path)
    cfg = config(weight_files, vgg16_weights=str(weight_files / "lpips.safetensors"))
    with pytest.raises(ValueError, match=r"must hold features\.0\.weight of shape \[64, 3, 3, 3\]"):
        build_perceptual(cfg, tmp_path)
    save_file({"lin0.model.1.weight": torch.ones(1, 1, 1, 1)}, tmp_path / "narrow.safetensors")
    cfg = config(weight_files, lpips_weights=str(tmp_path / "narrow.safetensors"))
    with pytest.raises(
        ValueError, match=r"lpips_weights .*shape \[1, 64, 1, 1\], has \[1, 1, 1, 1"
    ):
        build_perceptual(cfg, tmp_path)
