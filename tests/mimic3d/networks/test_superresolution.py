import pytest
import torch
from torch.testing import assert_close

from mimic3d.networks.resample import build_fir, resize, upsample_2d
from mimic3d.networks.superresolution import SuperResolution, SuperResolutionConfig


def build(image_resolution=32, channels=2, features=4, legacy=False):
    cfg = SuperResolutionConfig(channels=channels)
    return SuperResolution(cfg, features, w_dim=6, image_resolution=image_resolution, legacy=legacy)


@pytest.mark.parametrize(
    ("image_resolution", "input_resolution", "up"),
    [(512, 128, True), (256, 128, False), (128, 64, False), (64, 32, False), (16, 8, False)],
)
def test_input_resolution_and_steps_follow_the_table(image_resolution, input_resolution, up):
    with torch.device("meta"):
        network = build(image_resolution)
        assert network.input_resolution == input_resolution
        assert (network.block0.up, network.block1.up) == (up, True)
        raw = 16
        features, image_raw = torch.rand(1, 4, raw, raw), torch.rand(1, 3, raw, raw)
        image, _ = network(features, image_raw, torch.rand(1, 2, 6))
    assert image.shape == (1, 3, image_resolution, image_resolution)


def inputs(raw, features=4):
    return torch.randn(2, features, raw, raw), torch.randn(2, 3, raw, raw), torch.randn(2, 5, 6)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("raw", [8, 16])
def test_image_raw_is_added_to_only_as_the_reference_does(raw, legacy):
    """In place, and only where block0 neither resizes nor upsamples it."""
    network = build(legacy=legacy)
    features, image_raw, ws = inputs(raw)
    before = image_raw.clone()
    returned = network(features, image_raw, ws)[1]
    assert image_raw.equal(before)
    if not legacy or raw != network.input_resolution:
        assert returned.equal(before)
        return
    x = network.block0(features, image_raw, ws[:, -1:].expand(-1, 3, -1), "none")[0]
    added = network.block0.torgb(x, ws[:, -1])
    assert added.abs().max() > 0.1
    assert_close(returned, before + added)


def test_image_raw_of_512_pixels_is_left_alone():
    with torch.device("meta"):
        network = build(512, legacy=True)
        features, image_raw = torch.rand(1, 4, 128, 128), torch.rand(1, 3, 128, 128)
        assert network(features, image_raw, torch.rand(1, 2, 6))[1] is image_raw


def test_image_is_image_raw_plus_what_the_blocks_add():
    network = build()
    torch.nn.init.zeros_(network.block0.torgb.weight)
    torch.nn.init.zeros_(network.block1.torgb.weight)
    features, image_raw, ws = inputs(8)
    expected = upsample_2d(resize(image_raw, 16), build_fir(4))
    assert_close(network(features, image_raw, ws)[0], expected)


def test_only_the_last_style_counts_and_there_is_no_noise():
    network = build()
    for block in (network.block0, network.block1):
        torch.nn.init.ones_(block.conv0.noise_strength)
    features, image_raw, ws = inputs(16)
    before = network(features, image_raw, ws)[0]
    other = torch.randn_like(ws)
    other[:, -1] = ws[:, -1]
    assert_close(network(features, image_raw, other)[0], before, rtol=0, atol=0)
    assert not torch.allclose(network(features, image_raw, ws + 1)[0], before)


def test_gradients_reach_all_inputs_and_all_parameters_but_noise():
    network = build()
    leaves = [x.requires_grad_() for x in inputs(8)]
    network(*leaves)[0].square().sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.abs().max() > 0
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.endswith("noise_strength"), name
