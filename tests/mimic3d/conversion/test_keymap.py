"""Every tensor of theirs has one place in ours, and every place of ours is filled."""

import pytest
import torch
from torch import nn

from mimic3d.conversion.keymap import block_resolutions, discriminator_name, fill, generator_name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("backbone.mapping.fc1.bias", "mapping.layers.1.bias"),
        ("backbone.mapping.w_avg", "mapping.w_avg"),
        ("backbone.synthesis.b4.const", "backbone.first.const"),
        ("backbone.synthesis.b8.conv0.weight", "backbone.blocks.0.conv0.weight"),
        ("backbone.synthesis.b256.torgb.bias", "backbone.blocks.5.torgb.bias"),
        ("backbone.synthesis.b3d4.block.conv1.bias", "pyramid.blocks.0.conv1.bias"),
        ("backbone.synthesis.b3d256.block.torgb.bias", "pyramid.blocks.6.torgb.bias"),
        ("backbone.synthesis.b3d256.block3.torgb.bias", "detail.block3.torgb.bias"),
        ("decoder.net.2.weight", "decoder.out_weight"),
        ("decoder.net.1.weight", None),
        ("mapping.embed.weight", None),
        ("backbone.synthesis.b8", None),
    ],
)
def test_generator_names(theirs, ours):
    assert generator_name(theirs) == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("b64.fromrgb.weight", "trunk.fromrgb.weight"),
        ("b64.conv0.weight", "trunk.blocks.0.conv0.weight"),
        ("b8.skip.weight", "trunk.blocks.3.skip.weight"),
        ("b4.fc.bias", "trunk.epilogue.fc.bias"),
        ("mapping.fc7.weight", "mapping.layers.7.weight"),
        ("mapping.embed.bias", "mapping.embed.bias"),
        ("fromrgb.weight", None),
    ],
)
def test_discriminator_names(theirs, ours):
    assert discriminator_name(theirs, 64) == ours


@pytest.mark.parametrize("side", [2, 12, 0])
def test_blocks_of_other_sides(side):
    with pytest.raises(ValueError, match=f"power of two from 4, is {side}"):
        generator_name(f"backbone.synthesis.b{side}.conv0.weight")


def test_block_resolutions():
    names = ["a.b16.x", "a.b4.x", "a.b16.y", "a.b3d32.x", "b8.x", "a.b64"]
    assert block_resolutions(names, "a.b") == [4, 16]


def theirs(**changes) -> dict[str, torch.Tensor]:
    weights = {"fc.weight": torch.ones(2, 3), "fc.bias": torch.ones(2)} | changes
    return {name: value for name, value in weights.items() if value is not None}


def rename(name: str) -> str | None:
    return name.removeprefix("fc.") if name.startswith("fc.") else None


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_fill(device):
    layer = nn.Linear(3, 2, device=device)
    given = theirs(**{"a.resample_filter": torch.ones(4, 4), "dataset_label_std": torch.ones(25)})
    given["fc.weight"] = given["fc.weight"].double()
    fill(layer, given, rename, "D")
    assert layer.weight.equal(torch.ones(2, 3))
    assert isinstance(layer.weight, nn.Parameter)
    given["fc.bias"].zero_()
    assert layer.bias.equal(torch.ones(2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fc.bias": None}, "D must hold a tensor for each of ours, holds none for bias"),
        ({"fc.bias": torch.ones(3)}, r"D\.fc\.bias must be .*\(2,\), as our bias, is .*\(3,\)"),
        ({"fc.bias": torch.ones(2).int()}, r"D\.fc\.bias must be a float tensor .*int32"),
        ({"other": torch.ones(2)}, "D must hold only tensors that our network has too, .* other;"),
        ({"fc.gain": torch.ones(2)}, "D must hold only .* holds fc.gain;"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        fill(nn.Linear(3, 2), theirs(**changes), rename, "D")


def test_two_tensors_for_one_place():
    places = {"fc.weight": "weight", "fc.bias": "bias", "other": "bias"}
    with pytest.raises(ValueError, match=r"D must hold only .* holds other;"):
        fill(nn.Linear(3, 2), theirs(other=torch.ones(2)), places.get, "D")
