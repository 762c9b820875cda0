import pytest
import torch
from einops import rearrange

from mimic3d.networks.aware3d import AwareToRGB
from mimic3d.networks.pyramid import AwareBlock, DetailBranch, SidePyramid


def reference_block(arrays, up):
    """A block whose image has 32 channels whatever its width, as in the reference."""
    channels = arrays["sd.block.conv0.weight"].shape[0]
    block = AwareBlock(channels, 10, resolution=8, up=up, legacy=True)
    block.torgb = AwareToRGB(channels, 32, 10, legacy=True)
    block.load_state_dict(arrays.weights("sd.block."))
    return block


def run_reference(arrays, block, noise):
    inputs = {k: arrays.leaf(f"in.{k}") for k in ("x3d", "img", "ws") if f"in.{k}" in arrays}
    x = rearrange(inputs["img"], "n (p c) h w -> n p c h w", p=3)
    if "x3d" in inputs:
        x = x + rearrange(inputs["x3d"], "(n p) c h w -> n p c h w", p=3)
    return inputs, block(x, inputs["ws"][:, -1], noise)


def flat(planes):
    return rearrange(planes, "n p c h w -> (n p) c h w")


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "up"), [("up", True), ("up_x_none", True), ("last_2d", False), ("last_3d", False)]
)
@pytest.mark.parametrize("noise", ["const", "none"])
def test_block_and_its_gradients_match_reference(golden, agree, name, up, noise):
    arrays = golden(f"components/aware3d_block_{name}")
    block = reference_block(arrays, up)
    inputs, planes = run_reference(arrays, block, noise)
    outputs, modules = [planes], {"block.": block}
    if name == "last_3d":
        detail = DetailBranch(32, 10, resolution=8, legacy=True)
        detail.load_state_dict(
            arrays.weights("sd.block2.", "block2.") | arrays.weights("sd.block3.", "block3.")
        )
        w = inputs["ws"][:, -1]
        outputs.append(detail.block2(planes, w, noise))
        outputs.append(detail(planes, inputs["ws"], noise))
        modules |= {"": detail}
    for k, y in enumerate(outputs):
        agree(flat(y), arrays[f"{noise}.out{k}"])
    if noise == "const":
        arrays.check_gradients([flat(y) for y in outputs], inputs, modules)


def build(resolution=16, channels=2):
    pyramid = SidePyramid(channels, w_dim=6, resolution=resolution, legacy=False)
    levels = tuple(
        torch.randn(2, 3 * channels, 2**k, 2**k) for k in range(2, resolution.bit_length())
    )
    return pyramid, levels, torch.randn(2, 2 * len(levels), 6)


@pytest.mark.parametrize("resolution", [8, 16, 64])
def test_coarse_planes_have_the_resolution_and_detail_twice_as_much(resolution):
    pyramid, levels, ws = build(resolution)
    detail = DetailBranch(2, w_dim=6, resolution=resolution, legacy=False)
    coarse = pyramid(levels, ws, "none")
    assert coarse.shape == (2, 3, 2, resolution, resolution)
    assert detail(coarse, ws, "none").shape == (2, 3, 2, 2 * resolution, 2 * resolution)


def test_blocks_read_the_style_of_their_levels_image(styles_read):
    pyramid, levels, _ = build()
    ws = torch.arange(6.0)[None, :, None].expand(2, 6, 6)  # the style vector k is all k
    assert styles_read(pyramid, lambda: pyramid(levels, ws, "none")) == {
        f"blocks.{k}.{layer}": 2 * k + 1 for k in range(3) for layer in ("conv0", "conv1", "torgb")
    }
    detail = DetailBranch(2, w_dim=6, resolution=16, legacy=False)
    read = styles_read(detail, lambda: detail(torch.rand(2, 3, 2, 16, 16), ws, "none"))
    assert set(read.values()) == {5}


def test_every_level_reaches_the_planes():
    pyramid, levels, ws = build()
    before = pyramid(levels, ws, "none")
    for k in range(len(levels)):
        changed = [y + (j == k) for j, y in enumerate(levels)]
        assert not torch.allclose(before, pyramid(tuple(changed), ws, "none")), k


def test_levels_are_split_into_planes_in_order():
    """Channels 0..c-1 are plane xy: its ripple, invisible in means, stays there."""
    pyramid, levels, ws = build(resolution=8)
    before = pyramid(levels, ws, "none")
    for plane in range(3):
        ripple = torch.zeros_like(levels[-1])
        ripple[:, 2 * plane, 2:4, 2:4] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
        moved = pyramid((levels[0], levels[1] + ripple), ws, "none") - before
        # the second layer sees means of the rectified first one, so compare sizes
        size = moved.square().sum(dim=[0, 2, 3, 4])
        assert size.argmax() == plane


def test_detail_starts_at_zero_and_learns():
    detail = DetailBranch(2, w_dim=6, resolution=8, legacy=False)
    coarse, ws = torch.randn(2, 3, 2, 8, 8), torch.randn(2, 6, 6)
    y = detail(coarse, ws, "const")
    assert not y.any()
    (y - 1).square().sum().backward()
    assert detail.block3.torgb.weight.grad.abs().min() > 0


def test_legacy_detail_starts_at_random():
    detail = DetailBranch(2, w_dim=6, resolution=8, legacy=True)
    assert detail(torch.randn(1, 3, 2, 8, 8), torch.randn(1, 6, 6), "none").std() > 0.1


def test_detail_planes_do_not_mix():
    detail = DetailBranch(2, w_dim=6, resolution=8, legacy=True)
    coarse, ws = torch.randn(1, 3, 2, 8, 8), torch.randn(1, 6, 6)
    before = detail(coarse, ws, "none")
    moved = detail(coarse + torch.eye(3)[0, None, :, None, None, None], ws, "none") - before
    assert [bool(m.any()) for m in moved[0]] == [True, False, False]


def test_every_parameter_gets_a_gradient():
    pyramid, levels, ws = build()
    pyramid(levels, ws, "const").square().sum().backward()
    for name, parameter in pyramid.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("noise", ["const", "none"])
def test_bfloat16_autocast_stays_close(noise):
    pyramid, levels, ws = build(resolution=32, channels=8)
    detail = DetailBranch(8, w_dim=6, resolution=32, legacy=True)
    exact = pyramid(levels, ws, noise)
    exact = detail(exact, ws, noise)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = detail(pyramid(levels, ws, noise), ws, noise)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() < 0.1 * exact.norm()
