import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.losses.adversarial import AdversarialConfig, r1_penalty
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator
from mimic3d.networks.precision import choose_dtype, set_precision

SMALL = DiscriminatorConfig(channel_base=256, channel_max=16)


def error(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


def test_bfloat16_reaches_super_resolution_only(tiny_config):
    generator = Generator(tiny_config, Scene())
    cameras = orbit_cameras(torch.zeros(2), torch.zeros(2), Scene())
    ws = generator.mapping(torch.randn(2, 8), cameras.labels())
    planes = generator.synthesize_planes(ws, detail=False, noise="const")
    exact = generator.render_2d(planes, ws, cameras)
    set_precision(generator, torch.bfloat16)
    mixed = generator.render_2d(planes, ws, cameras)
    assert mixed.image.dtype == torch.float32
    assert mixed.image_raw.equal(exact.image_raw)
    assert 1e-5 < error(mixed.image, exact.image) < 0.02
    mixed.image.square().sum().backward()
    gradients = [p.grad for p in generator.parameters() if p.grad is not None]
    assert all(g.dtype == torch.float32 and g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("resolution", [16, 128])
def test_bfloat16_in_discriminators_up_to_second_order(resolution):
    D = PatchDiscriminator(SMALL, resolution)
    patch = torch.randn(4, 3, resolution, resolution, requires_grad=True)
    exact = D(patch)
    set_precision(D, torch.bfloat16)
    mixed = D(patch)
    assert mixed.dtype == torch.float32
    assert 1e-5 < error(mixed, exact) < 0.1
    r1_penalty(mixed, (patch,), AdversarialConfig()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in D.parameters())
    set_precision(D, torch.float32)
    assert D(patch).equal(exact)


def test_only_four_resolutions_are_mixed():
    D = DualDiscriminator(SMALL, 256)
    set_precision(D, torch.bfloat16)
    seen = {}
    for k, block in enumerate(D.trunk.blocks):
        block.register_forward_pre_hook(lambda _m, x, k=k: seen.__setitem__(k, x[0].dtype))
    D(torch.randn(2, 3, 256, 256), torch.randn(2, 3, 32, 32), torch.randn(2, 25))
    assert [seen[k] for k in sorted(seen)] == [torch.bfloat16] * 4 + [torch.float32] * 2


def test_auto_is_float32_where_there_is_no_bfloat16():
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu) == torch.float32
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16


def test_activations_are_clamped_in_legacy_networks_only():
    image = torch.full((2, 3, 16, 16), 1e4)
    for legacy in (False, True):
        D = PatchDiscriminator(SMALL, 16, legacy=legacy)
        assert (D.trunk.fromrgb(image).abs().max() <= 256) == legacy
