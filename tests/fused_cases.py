"""Fields and rays of any shape, and how near a renderer has to come to the torch definition."""

import copy

import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.networks.decoder import Decoder, DecoderConfig
from mimic3d.rays import Rays, cast_rays

VALUES, GRADIENTS = 1e-5, 1e-4  # relative to the largest value; to the norm of a gradient


def make_decoder(rng, channels, hidden, colors, density_scale=1.0) -> Decoder:
    decoder = Decoder(DecoderConfig(hidden_channels=hidden), channels, colors)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.normal_(generator=rng)
        decoder.out_weight[0] *= density_scale
    return decoder


def make_planes(rng, n, channels, sizes):
    return tuple(
        torch.randn(n, 3, channels, h, w, generator=rng, requires_grad=True) for h, w in sizes
    )


def make_rays(rng, n, side, scene: Scene, spread=1.0) -> Rays:
    """Rays of an image; with a large `spread` most of them miss the box."""
    yaw, pitch = torch.rand(2, n, generator=rng) - 0.5
    rays = cast_rays(orbit_cameras(yaw, pitch, scene), side)
    tilt = (spread - 1) * torch.randn(rays.directions.shape, generator=rng)
    return Rays(rays.origins, torch.nn.functional.normalize(rays.directions + tilt, dim=-1))


def assert_close(ours, truth, bound):
    scale = truth.abs().max().clamp(min=1e-6)
    assert ((ours - truth).abs().max() / scale).item() < bound


def gradients(results, parameters, rng):
    """Of planes and of the decoder, each as one vector."""
    loss = sum((x * torch.randn(x.shape, generator=rng)).sum() for x in results)
    grads = torch.autograd.grad(loss, [*parameters[0], *parameters[1]])
    split = len(parameters[0])
    return [
        torch.cat([g.double().flatten() for g in part]) for part in (grads[:split], grads[split:])
    ]


def assert_gradients(results, parameters):
    """Of fused, torch, and torch in float64, whose distance from torch is what float32 can do.

    Where an almost empty ray has a depth, its gradients cancel to a thousandth.
    """
    rngs = (torch.Generator().manual_seed(1) for _ in results)
    each = zip(results, parameters, rngs, strict=True)
    for ours, truth, exact in zip(*(gradients(*x) for x in each), strict=True):
        size = exact.norm().clamp(min=1e-6)
        own_error = (truth - exact).norm() / size
        assert ((ours - truth).norm() / size).item() < GRADIENTS + 4 * own_error


def in_float64(decoder, planes):
    return (
        copy.deepcopy(decoder).double(),
        tuple(level.detach().double().requires_grad_() for level in planes),
    )
