"""Agreement and speed of the fused renderer: parts of `benchmarks.gpu`."""

import torch
from torch import Tensor

from benchmarks.render_scenes import build_scene
from benchmarks.timing import repeat_for
from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.rays import Rays, cast_rays
from mimic3d.rendering.backend import TORCH, RenderBackend, Shortcuts
from mimic3d.rendering.depths import uniform_draws
from mimic3d.rendering.renderer import RenderingConfig

Line = tuple[str, float, str, str]
SIDE, SAMPLES = 24, 16
VALUES, GRADIENTS, HALF_DECIBELS = 1e-5, 1e-4, 60.0
BALL, FOG = 0.4, 0.0  # radius


def view_rays(side: int, device: torch.device) -> Rays:
    """Rays of a whole view from the side."""
    cameras = orbit_cameras(torch.tensor([0.25]), torch.tensor([0.1]), Scene())
    return cast_rays(cameras.to(device), side)


def parity(device: torch.device, backend: RenderBackend) -> list[Line]:
    """Largest differences from the torch renderer of an opaque ball and of fog.

    Values relative to the largest one, gradients relative to their norm.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    worst = {"values": 0.0, "gradients of planes": 0.0, "gradients of decoder": 0.0}
    try:
        for radius in (BALL, FOG):
            for name, error in _compare(device, backend, radius).items():
                worst[name] = max(worst[name], error)
    finally:
        torch.set_float32_matmul_precision(before)
    limits = (VALUES, GRADIENTS, GRADIENTS)
    return [
        (f"difference from torch, {name}", error, "relative", f"<= {limit:g}")
        for (name, error), limit in zip(worst.items(), limits, strict=True)
    ]


def _compare(device: torch.device, backend: RenderBackend, radius: float) -> dict[str, float]:
    scene = build_scene("scene", radius, coarse=64, detail=128)
    decoder = scene.decoder.to(device)
    planes = tuple(level.to(device).requires_grad_() for level in scene.planes)
    cfg = RenderingConfig(depth_resolution=SAMPLES, depth_resolution_importance=SAMPLES)
    results, gradients = [], []
    for each in (backend, TORCH):
        sampling = uniform_draws(torch.Generator(device).manual_seed(1))
        view = each.render(planes, decoder, view_rays(SIDE, device), Scene(), cfg, 3, sampling)
        values = torch.cat([view.features, view.depth, view.alpha], dim=-1)
        results.append(values.detach())
        weights = torch.linspace(-1, 1, values.numel(), device=device).view_as(values)
        parameters = [*planes, *decoder.parameters()]
        gradients.append(torch.autograd.grad((values * weights).sum(), parameters))
    split = len(planes)
    return {
        "values": float((results[0] - results[1]).abs().max() / results[1].abs().max()),
        "gradients of planes": _distance(gradients[0][:split], gradients[1][:split]),
        "gradients of decoder": _distance(gradients[0][split:], gradients[1][split:]),
    }


def _distance(ours: tuple[Tensor, ...], truth: tuple[Tensor, ...]) -> float:
    a, b = (torch.cat([x.double().flatten() for x in part]) for part in (ours, truth))
    return float((a - b).norm() / b.norm())


@torch.no_grad()
def half_quality(device: torch.device) -> list[Line]:
    """Decibels of a view with planes in float16 against float32."""
    scene = build_scene("ball", BALL)
    planes, decoder = tuple(p.to(device) for p in scene.planes), scene.decoder.to(device)
    rays, cfg = view_rays(SIDE, device), RenderingConfig()
    full, half = (
        RenderBackend("fused", "fused", "", Shortcuts(half_tables=is_half))
        .render(planes, decoder, rays, Scene(), cfg, 3)
        .features
        for is_half in (False, True)
    )
    decibels = float(10 * torch.log10(4 / (half - full).square().mean()))
    return [("planes in float16 against float32", decibels, "dB", f">= {HALF_DECIBELS:g}")]


@torch.no_grad()
def view_times(
    device: torch.device, backend: RenderBackend, side: int, seconds: float
) -> list[Line]:
    """Milliseconds of a direct view with planes that are there, of an opaque ball."""
    scene = build_scene("ball", BALL)
    planes, decoder = tuple(p.to(device) for p in scene.planes), scene.decoder.to(device)
    rays, cfg = view_rays(side, device), RenderingConfig()
    kinds = {"": Shortcuts()}
    if backend.name == "fused" and device.type == "cuda":
        kinds[", planes in float16"] = Shortcuts(half_tables=True)
    lines = []
    for kind, shortcuts in kinds.items():
        each = RenderBackend("fused" if backend.name == "fused" else "torch", backend.name, "",
                             shortcuts)  # fmt: skip
        time = repeat_for(lambda b=each: b.render(planes, decoder, rays, Scene(), cfg, 3), seconds)
        lines.append((f"direct view of {side} px{kind}", 1e3 * time, "ms", "<= 5 ms at 512 px"))
    return lines
