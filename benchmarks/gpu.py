"""`python -m benchmarks.gpu`: all that has to be known about a GPU, in less than eight minutes.

Agreement of the fused renderer with torch, time of a direct view, speed and memory of both training
stages, speed of evaluation, resumed against uninterrupted training, and a short training with a
picture. Prints a table and writes gpu.json and grid.png to --out. What fails is reported, the rest
goes on, and the exit status is 1.

Beside torch and triton it needs numpy, einops, jaxtyping, pydantic, safetensors, pillow, pyarrow,
filelock, tqdm and accelerate, and no dataset. `--device cpu --tiny` runs all of it in a minute.
"""

import argparse
import json
import platform
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.gpu_renderer import half_quality, parity, view_times
from benchmarks.gpu_training import evaluation_speed, resume_agrees, short_training, training_speed
from benchmarks.training_setup import TINY, Sizes
from mimic3d.networks.generator import GeneratorConfig
from mimic3d.rendering.backend import RenderBackend, choose_backend

SHOWN = Sizes(
    generator=GeneratorConfig.model_validate(
        {
            "image_resolution": 128, "neural_rendering_resolution": 32, "plane_resolution": 64,
            "plane_channels": 16, "feature_channels": 16, "decoder": {"hidden_channels": 32},
            "rendering": {"depth_resolution": 24, "depth_resolution_importance": 24},
        }
    ),
    perceptual_divisor=8,
)  # fmt: skip
"""Networks of the short training."""


@dataclass(frozen=True)
class Plan:
    """What is measured: sizes, sides in pixels, and seconds for each part."""

    sizes: Sizes
    shown: Sizes
    view_side: int
    seconds: float
    train_seconds: float
    batch: int


FULL = Plan(Sizes(), SHOWN, 512, 8.0, 120.0, 4)
SMALL = Plan(TINY, TINY, 16, 0.5, 2.0, 4)


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    name: str
    renderer: str
    value: float | None
    unit: str
    goal: str = ""
    error: str = ""


def measurements(
    plan: Plan, device: torch.device, backends: dict[str, RenderBackend], out: Path
) -> Iterator[tuple[str, str, Callable[[], list[tuple[str, float, str, str]]]]]:
    """Name and renderer of every part, and the work that gives its lines."""
    fused = backends.get("fused")
    if fused is not None:
        yield "agreement with torch", "fused", lambda: parity(device, fused)
        if device.type == "cuda":
            yield "float16 tables", "fused", lambda: half_quality(device)
    for name, backend in backends.items():
        yield "view", name, lambda b=backend: view_times(device, b, plan.view_side, plan.seconds)
    for name, backend in backends.items():
        for stage in ("pretrain", "imitate"):
            yield (
                stage,
                name,
                lambda b=backend, s=stage: training_speed(
                    s, plan.sizes, device, b, plan.batch, plan.seconds
                ),
            )
        yield (
            "evaluation",
            name,
            lambda b=backend: evaluation_speed(plan.sizes, device, b, plan.batch, plan.seconds),
        )
        yield "resume", name, lambda b=backend: resume_agrees(plan.shown, device, b, plan.batch)
    best = fused or backends["torch"]
    yield (
        "short training",
        best.name,
        lambda: short_training(plan.shown, device, best, plan.train_seconds, out / "grid.png"),
    )


def run(plan: Plan, device: torch.device, out: Path) -> list[Measured]:
    """Every measurement; errors become lines."""
    backends = {"torch": choose_backend("torch", device)}
    results = []
    try:
        backends["fused"] = choose_backend("fused", device)
    except ValueError as error:
        results.append(Measured("renderer", "fused", None, "", error=str(error)))
    for part, renderer, work in measurements(plan, device, backends, out):
        start = time.monotonic()
        try:
            lines = [
                Measured(name, renderer, value, unit, goal) for name, value, unit, goal in work()
            ]
        except Exception as error:  # one broken part must not cost the others
            traceback.print_exc()
            lines = [Measured(part, renderer, None, "", error=f"{type(error).__name__}: {error}")]
        results += lines
        print(table(lines), f"({time.monotonic() - start:.0f} s)", flush=True)
    return results


def table(results: list[Measured]) -> str:
    """Lines of the table."""
    return "\n".join(
        f"| {r.name} | {r.renderer} | {r.error or f'{r.value:.4g} {r.unit}'} | {r.goal} |"
        for r in results
    )


def describe(device: torch.device) -> dict[str, str]:
    """The machine and the versions."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    cuda = str(torch.version.cuda)
    return {"device": gpu, "torch": torch.__version__, "cuda": cuda, "time": time.strftime("%F %T")}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default)
    parser.add_argument("--tiny", action="store_true", help="networks that train in milliseconds")
    parser.add_argument("--out", type=Path, default=Path("gpu_benchmark"))
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type != "cuda" and not args.tiny:
        parser.error(f"--device {args.device} is too slow for these sizes; add --tiny")
    args.out.mkdir(parents=True, exist_ok=True)
    machine = describe(device)
    results = run(SMALL if args.tiny else FULL, device, args.out)
    print(f"\n{machine}\n\n| what | renderer | measured | goal |\n| --- | --- | --- | --- |")
    print(table(results))
    report = {"machine": machine, "results": [asdict(r) for r in results]}
    (args.out / "gpu.json").write_text(json.dumps(report, indent=2))
    if any(r.error for r in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
