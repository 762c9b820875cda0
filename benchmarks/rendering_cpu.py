"""`python -m benchmarks.rendering_cpu`: renderers side by side on a CPU, at the FFHQ-512 sizes.

Renderers take turns, so that all meet the same machine; CPU seconds, the least of several turns.
The textbook renderer takes every sixteenth row of the view.
"""

import argparse
import time
from collections.abc import Callable, Mapping

import torch
from einops import rearrange

from benchmarks.render_scenes import CHANNELS, ObjectScene, build_scene
from benchmarks.rendering import textbook
from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.rays import Rays, cast_rays, random_windows
from mimic3d.rendering.backend import RenderBackend, Shortcuts
from mimic3d.rendering.depths import uniform_draws
from mimic3d.rendering.renderer import RenderingConfig

SCENE, CFG = Scene(), RenderingConfig()
EVERY = 16
LIMIT = Shortcuts(optical_limit=7)
BACKENDS = {
    "torch": RenderBackend("torch", "torch", ""),
    "fused": RenderBackend("fused", "fused", ""),
    "fused, rays end at 7": RenderBackend("fused", "fused", "", LIMIT),
}


def view_rays(side: int) -> Rays:
    """Rays of a whole view from the side."""
    return cast_rays(orbit_cameras(torch.tensor([0.25]), torch.tensor([0.1]), SCENE), side)


def some_rows(rays: Rays, side: int) -> Rays:
    """Every sixteenth row."""

    def pick(x: torch.Tensor) -> torch.Tensor:
        rows = rearrange(x, "n (h w) xyz -> n h w xyz", h=side)[:, EVERY // 2 :: EVERY]
        return rearrange(rows, "n h w xyz -> n (h w) xyz")

    return Rays(pick(rays.origins), pick(rays.directions))


def least(work: Mapping[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """CPU seconds of each, the least of so many turns; the first one warms up."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(turns + 1):
        for name, run in work.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: min(each[1:]) for name, each in times.items()}


def decibels(image: torch.Tensor, truth: torch.Tensor) -> float:
    """Peak signal-to-noise ratio of values in [-1, 1]."""
    return float(10 * torch.log10(4 / (image - truth).square().mean()))


@torch.no_grad()
def compare_views(scene: ObjectScene, side: int, turns: int) -> None:
    """Print CPU seconds per view, and decibels against the textbook renderer."""
    rays = view_rays(side)
    rows = some_rows(rays, side)

    def whole(name: str, part: Rays = rays) -> torch.Tensor:
        return BACKENDS[name].render(scene.planes, scene.decoder, part, SCENE, CFG, 3).features

    def plain() -> torch.Tensor:
        return textbook(scene.planes, scene.decoder, rows, SCENE, CFG, CHANNELS)

    work = {"textbook": plain, "torch": lambda: whole("torch", rows)}
    work |= {name: lambda name=name: whole(name) for name in BACKENDS if name != "torch"}
    times, truth = least(work, turns), plain()
    for name, seconds in times.items():
        scaled = seconds * (EVERY if name in ("textbook", "torch") else 1)
        quality = "" if name == "textbook" else f"{decibels(whole(name, rows), truth):6.1f} dB"
        ratio = times["textbook"] * EVERY / scaled
        print(f"{scene.name:6} {side} px {name:22} {scaled:7.2f} s {ratio:6.1f} x {quality}")


def compare_training(scene: ObjectScene, turns: int) -> None:
    """Print CPU milliseconds of a patch of 64 x 64 pixels, forward and backward."""
    rng = torch.Generator().manual_seed(0)
    cameras = orbit_cameras(torch.tensor([0.25]), torch.tensor([0.1]), SCENE)
    rays = cast_rays(cameras, 512, random_windows(1, 512, 64, rng))
    planes = tuple(level.clone().requires_grad_() for level in scene.planes)

    def step(backend: RenderBackend) -> None:
        sampling = uniform_draws(torch.Generator().manual_seed(1))
        seen = backend.render(planes, scene.decoder, rays, SCENE, CFG, 3, sampling)
        torch.autograd.grad(seen.features.square().sum(), [*planes, *scene.decoder.parameters()])

    work = {name: lambda name=name: step(BACKENDS[name]) for name in ("torch", "fused")}
    times = least(work, turns)
    for name, seconds in times.items():
        ratio = times["torch"] / seconds
        print(f"{scene.name:6} patch of 64 px {name:15} {seconds * 1e3:7.0f} ms {ratio:6.1f} x")


@torch.no_grad()
def preview_rate(scene: ObjectScene, side: int, turns: int) -> None:
    """Print views per second of the wall clock."""
    rays, backend, best = view_rays(side), BACKENDS["fused, rays end at 7"], float("inf")
    for _ in range(turns + 1):
        start = time.perf_counter()
        backend.render(scene.planes, scene.decoder, rays, SCENE, CFG, 3)
        best = min(best, time.perf_counter() - start)
    print(f"{scene.name:6} {side} px, {torch.get_num_threads()} threads: {1 / best:.1f} per second")


def main() -> None:
    """Print one line per scene, renderer and size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", type=int, default=512)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name, radius in (("ball", 0.4), ("small", 0.2), ("fog", 0.0)):
        scene = build_scene(name, radius)
        compare_views(scene, args.side, args.turns)
        preview_rate(scene, args.side // 2, args.turns)
        if radius:
            compare_training(scene, args.turns)


if __name__ == "__main__":
    main()
