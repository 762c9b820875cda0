import pytest
import torch
from torch.testing import assert_close

from mimic3d.networks.resample import build_fir, upsample_2d
from mimic3d.networks.synthesis import (
    BackboneConfig,
    FirstBlock,
    SynthesisBackbone,
    SynthesisBlock,
)

BLOCKS = {  # file: image channels, upsampling
    "synthesis_block_up2": (12, True),
    "synthesis_block_noup": (3, False),
}


@pytest.mark.golden
@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("noise", ["const", "none"])
def test_block_matches_reference(golden, agree, name, noise):
    arrays = golden(f"components/{name}")
    img_channels, up = BLOCKS[name]
    block = SynthesisBlock(6, 5, w_dim=10, resolution=8, img_channels=img_channels, up=up)
    block.load_state_dict(arrays.weights("sd."))
    inputs = {k: arrays.leaf(f"in.{k}") for k in ("x", "img", "ws")}
    outputs = block(inputs["x"], inputs["img"], inputs["ws"], noise)
    for k, y in enumerate(outputs):
        agree(y, arrays[f"{noise}.out{k}"])
    if noise == "const" and up:
        arrays.check_gradients(outputs, inputs, {"": block})


@pytest.mark.golden
@pytest.mark.parametrize("noise", ["const", "none"])
def test_first_block_matches_reference(golden, agree, noise):
    arrays = golden("components/synthesis_block_first")
    block = FirstBlock(5, w_dim=10, img_channels=12)
    block.load_state_dict(arrays.weights("sd."))
    inputs = {"ws": arrays.leaf("in.ws")}
    outputs = block(inputs["ws"], noise)
    for k, y in enumerate(outputs):
        agree(y, arrays[f"{noise}.out{k}"])
    if noise == "const":
        arrays.check_gradients(outputs, inputs, {"": block})


def build(resolution=16, img_channels=6):
    cfg = BackboneConfig(channel_base=64, channel_max=8)
    return SynthesisBackbone(cfg, w_dim=8, resolution=resolution, img_channels=img_channels)


@pytest.mark.parametrize("resolution", [8, 16, 64])
def test_levels_double_from_4_to_the_resolution(resolution):
    backbone = build(resolution)
    levels = backbone(torch.randn(2, backbone.num_ws, 8), "none")
    assert [y.shape for y in levels] == [
        (2, 6, 2**k, 2**k) for k in range(2, resolution.bit_length())
    ]


def test_each_layer_reads_its_own_style(styles_read):
    backbone = build()
    ws = torch.arange(6.0)[None, :, None].expand(2, 6, 8)  # the style vector k is all k
    assert styles_read(backbone, lambda: backbone(ws, "none")) == {
        "first.conv1": 0,
        "first.torgb": 1,
        "blocks.0.conv0": 1,
        "blocks.0.conv1": 2,
        "blocks.0.torgb": 3,
        "blocks.1.conv0": 3,
        "blocks.1.conv1": 4,
        "blocks.1.torgb": 5,
    }


def test_images_accumulate():
    """Without toRGB weights at level l, its image is the upsampled one before."""
    backbone = build()
    torch.nn.init.zeros_(backbone.blocks[1].torgb.weight)
    levels = backbone(torch.randn(2, backbone.num_ws, 8), "none")
    assert_close(levels[2], upsample_2d(levels[1], build_fir(4)))


def test_noise_of_a_seed_repeats():
    backbone = build()
    for block in (backbone.first, *backbone.blocks):
        torch.nn.init.ones_(block.conv1.noise_strength)
    ws = torch.randn(2, backbone.num_ws, 8)
    one, same, other = (backbone(ws, torch.Generator().manual_seed(k))[-1] for k in (1, 1, 2))
    assert_close(one, same, rtol=0, atol=0)
    assert not torch.allclose(one, other)


def test_every_parameter_gets_a_gradient():
    backbone = build()
    backbone(torch.randn(2, backbone.num_ws, 8), "const")[-1].square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_resolution_must_be_a_power_of_two():
    with pytest.raises(AssertionError, match="powers of two"):
        build(24)


def test_samples_do_not_see_each_other():
    backbone = build()
    ws = torch.randn(3, backbone.num_ws, 8)
    for alone, together in zip(backbone(ws[1:2], "const"), backbone(ws, "const"), strict=True):
        assert_close(alone, together[1:2], rtol=1e-4, atol=1e-4)
