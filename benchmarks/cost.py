"""`python -m benchmarks.cost`: how the cost of a training grows, and a law fitted to it.

Trains the phases G and D of `imitate` with small networks, and changes one thing at a time: side of
the image, samples per ray, images of a batch, processes at once (which exchange nothing). Fits
seconds per image = constant x side^a x samples^b x batch^c by least squares of logarithms; the
exponents are the law. Seconds are of the CPU (of the wall clock on a GPU, and where processes share
a machine). Writes cost.png. Three minutes on two free cores.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure

from benchmarks.timing import wait
from benchmarks.training_setup import Sizes, build_setup
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import GeneratorConfig
from mimic3d.rendering.backend import BackendName, choose_backend
from mimic3d.training.phases import StepContext, seeded_rng

PHASES = ("G", "D")


@dataclass(frozen=True)
class Point:
    """A training to measure."""

    side: int = 64
    samples: int = 12
    """Samples per ray of each pass."""
    batch: int = 4
    processes: int = 1


AXES: dict[str, tuple[int, ...]] = {
    "side": (32, 64, 128), "samples": (6, 12, 24), "batch": (2, 4, 8), "processes": (1, 2),
}  # fmt: skip
LAW = ("side", "samples", "batch")


def points() -> list[Point]:
    """The point in the middle, and those that differ from it in one number."""
    every = [replace(Point(), **{axis: value}) for axis, values in AXES.items() for value in values]
    return list(dict.fromkeys(every))


def sizes_of(point: Point) -> Sizes:
    """Networks for images of a side; planes have as many texels as the image has pixels."""
    generator = {
        "image_resolution": point.side, "neural_rendering_resolution": point.side // 2,
        "plane_resolution": point.side // 2, "plane_channels": 8, "feature_channels": 8,
        "z_dim": 32, "w_dim": 32, "backbone": {"channel_base": 512, "channel_max": 32},
        "decoder": {"hidden_channels": 16}, "superresolution": {"channels": 8},
        "rendering": {
            "depth_resolution": point.samples, "depth_resolution_importance": point.samples
        },
    }  # fmt: skip
    small = DiscriminatorConfig(channel_base=512, channel_max=32, mbstd_group_size=2)
    return Sizes(
        generator=GeneratorConfig.model_validate(generator), discriminator=small,
        perceptual_divisor=16,
    )  # fmt: skip


def seconds_per_image(point: Point, device: torch.device, renderer: BackendName, steps: int):
    """Least seconds of a step of both phases, divided by its images; one step warms up."""
    setup = build_setup(
        "imitate", sizes_of(point), device, choose_backend(renderer, device), "float32"
    )
    is_shared = device.type == "cuda" or point.processes > 1
    clock = time.perf_counter if is_shared else time.process_time
    phases = [phase for phase in setup.phases if phase.name in PHASES]
    for network in setup.networks.values():
        network.requires_grad_(False)
    times = []
    for step in range(steps + 1):
        start = clock()
        for phase in phases:
            phase.module.requires_grad_(True)
            phase.optimizer.zero_grad(set_to_none=True)
            context = StepContext(1.0, seeded_rng(device, step, phase.name))
            phase.loss(setup.load(step * point.batch, point.batch), context).loss.backward()
            phase.optimizer.step()
            phase.module.requires_grad_(False)
        wait()
        times.append(clock() - start)
    return min(times[1:]) / point.batch


def measure(point: Point, device: torch.device, renderer: BackendName, steps: int) -> float:
    """Seconds per image; of several processes, that of all together."""
    if point.processes == 1:
        return seconds_per_image(point, device, renderer, steps)
    command = [sys.executable, "-m", "benchmarks.cost", "--one", "--renderer", renderer]
    command += ["--device", str(device), "--steps", str(steps)]
    command += ["--processes", str(point.processes)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(point.processes)
    ]
    rates = [1 / float(child.communicate()[0]) for child in children]
    return 1 / sum(rates)


def fit_law(
    measured: dict[Point, float],
) -> tuple[float, dict[str, float], float]:
    """Constant, exponents, and the largest factor between the law and a measurement."""
    alone = {point: value for point, value in measured.items() if point.processes == 1}
    rows = [[1.0, *(np.log(getattr(point, axis)) for axis in LAW)] for point in alone]
    matrix: Float[np.ndarray, "m k"] = np.array(rows)
    logs = np.log(list(alone.values()))
    solution, *_ = np.linalg.lstsq(matrix, logs, rcond=None)
    worst = float(np.exp(np.abs(matrix @ solution - logs).max()))
    exponents = {axis: float(x) for axis, x in zip(LAW, solution[1:], strict=True)}
    return float(np.exp(solution[0])), exponents, worst


def predict(point: Point, constant: float, exponents: dict[str, float]) -> float:
    """Seconds per image by the law."""
    factors = [getattr(point, axis) ** exponent for axis, exponent in exponents.items()]
    return constant * float(np.prod(factors))


def draw(measured: dict[Point, float], constant: float, exponents: dict[str, float]) -> Figure:
    """One panel per axis: measurements and the law."""
    figure = Figure(figsize=(3 * len(AXES), 3), layout="constrained")
    for number, (axis, values) in enumerate(AXES.items()):
        panel = figure.add_subplot(1, len(AXES), number + 1)
        line = [replace(Point(), **{axis: value}) for value in values]
        panel.loglog(values, [1e3 * measured[p] for p in line], "o", label="measured")
        if axis in exponents:
            law = [1e3 * predict(p, constant, exponents) for p in line]
            panel.loglog(values, law, "-", label=f"exponent {exponents[axis]:.2f}")
        panel.set(xlabel=axis, ylabel="ms per image")
        for scale in (panel.xaxis, panel.yaxis):  # plain numbers: powers need fonts of TeX
            scale.set_major_formatter("{x:g}")
            scale.set_minor_formatter("")
        panel.legend()
    return figure


def main() -> None:
    """Print measurements and law, and draw them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--renderer", default="torch", choices=("auto", "torch", "fused"))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("cost.png"))
    parser.add_argument("--one", action="store_true", help="print the middle point only")
    parser.add_argument("--processes", type=int, default=1, help="that run at once, with --one")
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(args.device)
    if args.one:
        point = Point(processes=args.processes)
        print(seconds_per_image(point, device, args.renderer, args.steps))
        return
    measured = {}
    for point in points():
        measured[point] = measure(point, device, args.renderer, args.steps)
        print(f"{point}: {1e3 * measured[point]:.1f} ms per image", flush=True)
    constant, exponents, worst = fit_law(measured)
    powers = " x ".join(f"{axis}^{exponent:.2f}" for axis, exponent in exponents.items())
    print(f"seconds per image = {constant:.3g} x {powers}, within a factor of {worst:.2f}")
    draw(measured, constant, exponents).savefig(args.out)


if __name__ == "__main__":
    main()
