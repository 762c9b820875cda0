"""Speed, memory and repeatability of training and evaluation: parts of `benchmarks.gpu`."""

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from accelerate import Accelerator

from benchmarks.head_images import render_heads
from benchmarks.timing import peak_memory_gib, repeat_for, wait
from benchmarks.training_setup import Sizes, Stage, TrainingSetup, build_setup
from mimic3d.cameras import orbit_cameras
from mimic3d.data.dataset import Batch
from mimic3d.gallery import image_grid
from mimic3d.networks.objects import synthesize_objects
from mimic3d.rendering.backend import RenderBackend
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import LoopConfig, Tick, train

Line = tuple[str, float, str, str]
CYCLE = 16  # steps after which every lazy regulariser has been taken
FID_IMAGES = 50_000
VIEWS, OBJECTS, SHORT_BATCH = 5, 4, 8


def ticks(
    setup: TrainingSetup, device: torch.device, batch: int, steps: int, start: int = 0
) -> Iterator[Tick]:
    """Training from step `start` up to `steps`, one tick per cycle."""
    cfg = LoopConfig(
        total_kimg=steps * batch / 1000, batch=batch, microbatch=batch,
        tick_kimg=CYCLE * batch / 1000,
    )  # fmt: skip
    accelerator = Accelerator(cpu=device.type == "cpu")
    return train(
        setup.phases, setup.load, setup.G, setup.networks["G_ema"], accelerator, cfg, EmaConfig(),
        start * batch,
    )  # fmt: skip


def training_speed(
    stage: Stage, sizes: Sizes, device: torch.device, backend: RenderBackend, batch: int,
    seconds: float,
) -> list[Line]:  # fmt: skip
    """Seconds per 1000 images after one cycle to warm up, and peak memory."""
    setup = build_setup(stage, sizes, device, backend)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trained = ticks(setup, device, batch, 1000 * CYCLE)
    next(trained)
    wait()
    start, cycles = time.perf_counter(), 0
    while cycles == 0 or time.perf_counter() - start < seconds:
        next(trained)
        cycles += 1
    wait()
    each = (time.perf_counter() - start) / (cycles * CYCLE * batch)
    goal = "<= 12 s at 512 px" if stage == "imitate" else ""
    return [
        (f"{stage}, batch {batch}", 1000 * each, "s per 1000 images", goal),
        (f"{stage}, peak memory", peak_memory_gib(), "GiB", "<= 16 GiB at batch 4"),
    ]


@torch.no_grad()
def evaluation_speed(
    sizes: Sizes, device: torch.device, backend: RenderBackend, batch: int, seconds: float
) -> list[Line]:
    """Images per second of both branches, from latents on."""
    G = build_setup("imitate", sizes, device, backend).G.eval()
    cameras = orbit_cameras(torch.linspace(-0.3, 0.3, batch), torch.zeros(batch), G.scene)
    cameras = cameras.to(device)
    z = torch.randn(batch, G.config.z_dim, device=device)

    def sample(branch: str) -> None:
        objects = synthesize_objects(G, G.mapping(z, cameras.labels()))
        objects.render(cameras, "2d" if branch == "2d" else "3d")

    lines = []
    for branch in ("2d", "3d"):
        rate = batch / repeat_for(lambda b=branch: sample(b), seconds)
        minutes = FID_IMAGES / rate / 60
        lines += [
            (f"evaluation, {branch} branch", rate, "images/s", ""),
            (f"50,000 images, {branch} branch", minutes, "min", "<= 20 min at 512 px"),
        ]
    return lines


def resume_agrees(
    sizes: Sizes, device: torch.device, backend: RenderBackend, batch: int
) -> list[Line]:
    """Values of all networks that differ between a training and one that was resumed halfway."""
    whole = build_setup("imitate", sizes, device, backend)
    _finish(ticks(whole, device, batch, 8))
    first = build_setup("imitate", sizes, device, backend)
    _finish(ticks(first, device, batch, 4))
    second = build_setup("imitate", sizes, device, backend)
    for name, network in first.networks.items():
        second.networks[name].load_state_dict(copy.deepcopy(network.state_dict()))
    for name, optimizer in first.optimizers.items():
        second.optimizers[name].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    _finish(ticks(second, device, batch, 8, start=4))
    different = 0
    for name, network in whole.networks.items():
        other = second.networks[name].state_dict()
        different += sum(int((v != other[k]).sum()) for k, v in network.state_dict().items())
    goal = "0" if backend.name == "fused" or device.type == "cpu" else ""
    return [("resumed training, values that differ", float(different), "", goal)]


def _finish(trained: Iterator[Tick]) -> None:
    for _ in trained:
        pass


def load_heads(num: int, resolution: int, device: torch.device) -> Callable[[int, int], Batch]:
    """So many procedural heads, again and again."""
    images, labels = render_heads(num, resolution, device)

    def load(start: int, count: int) -> Batch:
        index = [(start + i) % num for i in range(count)]
        return Batch(images[index], labels[index])

    return load


def short_training(
    sizes: Sizes, device: torch.device, backend: RenderBackend, seconds: float, picture: Path
) -> list[Line]:
    """Trains stage 1 for so many seconds on procedural heads and draws what came of it."""
    side = sizes.generator.image_resolution
    heads = load_heads(8 * side, side, device)
    setup = build_setup("pretrain", sizes, device, backend, load=heads)
    start, nimg = time.monotonic(), 0
    for tick in ticks(setup, device, SHORT_BATCH, 10**6):
        nimg = tick.nimg
        if time.monotonic() - start > seconds:
            break
    rate = nimg / (time.monotonic() - start)
    yaw = torch.linspace(-0.4, 0.4, VIEWS)
    cameras = orbit_cameras(yaw, torch.zeros(VIEWS), setup.G.scene).to(device)
    G_ema = setup.networks["G_ema"]
    assert isinstance(G_ema, type(setup.G))
    with torch.no_grad():
        z = torch.randn(OBJECTS, G_ema.config.z_dim, device=device)
        ws = G_ema.mapping(z, cameras.labels()[:1].expand(OBJECTS, -1))
        rows = [synthesize_objects(G_ema, w).render(cameras, "2d").image for w in ws.split(1)]
    image_grid(torch.cat(rows), columns=VIEWS).save(picture)
    return [(f"short training, {side} px, {nimg} images", rate, "images/s", "")]
