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


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("noise", ["const", "none"])
def test_block_matches_reference(golden, agree, name, noise):
    arrays = golden(name)
    img_channels, up = BLOCKS[name]
    block = SynthesisBlock(6, 5, w_dim=10, resolution=8, img_channels=img_channels, up=up)
    block.load_state_dict(arrays.weights("sd."))
    inputs = {k: arrays.leaf(f"in.{k}") for k in ("x", "img", "ws")}
    outputs = block(inputs["x"], inputs["img"], inputs["ws"], noise)
    for k, y in enumerate(outputs):
        agree(y, arrays[f"{noise}.out{k}"])
    if noise == "const" and up:
        arrays.check_gradients(outputs, inputs, {"": block})


@pytest.mark.parametrize("noise", ["const", "none"])
def test_first_block_matches_reference(golden, agree, noise):
    arrays = golden("synthesis_block_first")
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


def test_each_level_reads_its_own_styles():
    """Level l first shows ws[2l-1], ws[2l] and ws[2l+1]; the last one only there and above."""
    backbone = build()
    ws = torch.randn(1, backbone.num_ws, 8)
    before = backbone(ws, "none")
    for index in range(backbone.num_ws):
        changed = ws.clone()
        changed[:, index] += 1
        after = backbone(changed, "none")
        moved = [not torch.allclose(a, b) for a, b in zip(before, after, strict=True)]
        first = (
            index // 2 if index % 2 else (index + 1) // 2
        )  # 0 1 | 1 2 3 of the next: 0 0 1 1 2 2
        assert moved == [level >= first for level in range(3)], index


def test_style_of_an_image_does_not_touch_the_features():
    """With ws[2l+1] changed, higher levels move by the upsampled change alone."""
    backbone = build().double()
    ws = torch.randn(1, backbone.num_ws, 8, dtype=torch.float64)
    changed = ws.clone()
    changed[:, 1] += 1  # the image of level 0; level 1 reads 1, 2, 3, so its conv0 moves too
    difference = [
        b - a for a, b in zip(backbone(ws, "none"), backbone(changed, "none"), strict=True)
    ]
    assert difference[0].abs().max() > 1e-3
    last = ws.clone()
    last[:, -1] += 1
    pairs = zip(backbone(ws, "none"), backbone(last, "none"), strict=True)
    assert [torch.equal(a, b) for a, b in pairs] == [True, True, False]


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
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_resolution_must_be_a_power_of_two():
    with pytest.raises(AssertionError, match="power of two"):
        build(24)
