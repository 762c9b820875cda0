"""THE loop: phases in turn, gradients averaged over microbatches and processes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.data.dataset import Batch
from mimic3d.networks.precision import Precision
from mimic3d.rendering.backend import BackendName
from mimic3d.training.ema import EmaConfig, ema_beta, update_ema
from mimic3d.training.meter import Meter, Sums, mean_over_processes
from mimic3d.training.nonfinite import NonFiniteCounter
from mimic3d.training.phases import Phase, StepContext, seeded_rng

MAX_GRADIENT = 1e5  # replaces an infinite gradient, as in StyleGAN2


class LoopConfig(Config):
    """Length and rhythm of a training."""

    total_kimg: NonNegativeFloat = 25000.0
    """Budget in thousands of real images; a larger one continues a finished run, and with 0 the
    networks are published as training would find them."""
    batch: PositiveInt = 32
    """Images per step over all processes."""
    microbatch: PositiveInt = 4
    """Images per forward pass of one process; minibatch statistics and pose swapping see one
    microbatch, so it is part of the result."""
    tick_kimg: PositiveFloat = 4.0
    """Images between two reports."""
    snapshot_ticks: PositiveInt = 50
    """Ticks between two saved states and sample grids."""
    precision: Precision = "auto"
    """Number format of super-resolution and of the high resolutions of discriminators; auto is
    bfloat16 on a GPU that has it, else float32."""
    renderer: BackendName = "torch"
    """Renderer of both branches: torch is the definition; fused is faster, agrees with it to about
    1e-6 and so trains to other bits; auto is fused where that runs (docs/performance.md)."""
    seed: NonNegativeInt = 0
    """Seed of the initial weights and of every random draw."""
    max_nonfinite: PositiveInt = 50
    """Steps of one phase in a row whose loss or gradients are not finite before training ends with
    an error; StyleGAN2 replaces such gradients and never ends. No part of the result."""

    @property
    def total_nimg(self) -> int:
        """The budget in images, in whole batches."""
        return math.ceil(self.total_kimg * 1000 / self.batch) * self.batch


@dataclass(frozen=True)
class Tick:
    """Means since the tick before of all that the losses report."""

    nimg: int
    stats: dict[str, float]
    is_snapshot: bool
    is_last: bool


def check_batch(cfg: LoopConfig, processes: int, mbstd_group_size: int, key: str) -> None:
    """Reject a batch that cannot be shared out evenly.

    Raises:
        ValueError: batch is no multiple of microbatch x processes, or microbatch none of the
            groups of the minibatch standard deviation.
    """
    if cfg.microbatch % min(mbstd_group_size, cfg.microbatch):
        raise ValueError(
            f"{key}.microbatch must be a multiple of the discriminator's mbstd_group_size = "
            f"{mbstd_group_size} or smaller, is {cfg.microbatch}; change one of them"
        )
    if cfg.batch % (cfg.microbatch * processes):
        raise ValueError(
            f"{key}.batch must be a multiple of microbatch x processes = {cfg.microbatch} x "
            f"{processes}, is {cfg.batch}; change {key}.batch, {key}.microbatch or the machines in "
            f"cluster.yaml"
        )


class HaltedError(Exception):
    """End of a training on request, between two steps.

    `nimg` and `sums` are where `train` goes on to the same bits.
    """

    def __init__(self, nimg: int, sums: Sums) -> None:
        super().__init__(f"halted after {nimg} images")
        self.nimg = nimg
        self.sums = sums


def train(
    phases: Sequence[Phase], load: Callable[[int, int], Batch], G: nn.Module, G_ema: nn.Module,
    accelerator: Accelerator, cfg: LoopConfig, ema: EmaConfig, nimg: int = 0,
    sums: Sums | None = None, is_halted: Callable[[], bool] = lambda: False,
) -> Iterator[Tick]:  # fmt: skip
    """Train from `nimg` images to the budget; yields a Tick every `tick_kimg`.

    `load(start, num)` returns real images by their position in the endless stream. All phases of an
    iteration see the same real images. Everything random follows from cfg.seed and nimg. `sums` are
    what a tick had gathered when training was halted.

    Raises:
        HaltedError: `is_halted` said so, in any process; all of them end after the same step.
        NonFiniteError: losses or gradients were not finite for cfg.max_nonfinite steps in a row.
    """
    mine = _my_microbatches(cfg, accelerator)
    modules = {id(phase.module): phase.module for phase in phases}.values()
    for module in modules:
        module.requires_grad_(False)
    meter = Meter(accelerator, sums)
    failures = NonFiniteCounter(cfg.max_nonfinite)
    tick_nimg = cfg.tick_kimg * 1000
    while nimg < cfg.total_nimg:
        if _in_any_process(is_halted(), accelerator):
            raise HaltedError(nimg, meter.sums())
        reals = [load(nimg + i * cfg.microbatch, cfg.microbatch) for i in mine]
        for phase in phases:
            if (nimg // cfg.batch) % phase.interval == 0:
                bad = _step(phase, reals, mine, nimg, accelerator, cfg, meter)
                failures.add(phase.name, bad)
        update_ema(G_ema, G, ema_beta(nimg, cfg.batch, ema))
        before, nimg = nimg, nimg + cfg.batch
        tick = int(nimg // tick_nimg)
        is_last = nimg >= cfg.total_nimg
        if tick > before // tick_nimg or is_last:
            failures.check(nimg)
            yield Tick(nimg, meter.take(), tick % cfg.snapshot_ticks == 0 or is_last, is_last)


def _my_microbatches(cfg: LoopConfig, accelerator: Accelerator) -> range:
    """Indices, within the global batch, of the microbatches of this process."""
    count = cfg.batch // cfg.microbatch // accelerator.num_processes
    first = accelerator.process_index * count
    return range(first, first + count)


def _in_any_process(flag: bool, accelerator: Accelerator) -> bool:
    """True if the flag is up in one of the processes; all get the same answer."""
    if accelerator.num_processes == 1:
        return flag
    flags = torch.tensor([float(flag)], device=accelerator.device)
    return mean_over_processes(flags, accelerator).item() > 0


def _step(
    phase: Phase, reals: list[Batch], mine: range, nimg: int, accelerator: Accelerator,
    cfg: LoopConfig, meter: Meter,
) -> Float[Tensor, ""]:  # fmt: skip
    """Takes a step; returns 1 if a loss or a gradient was not finite in any process, else 0."""
    phase.module.requires_grad_(True)
    phase.optimizer.zero_grad(set_to_none=True)
    tracked, broken = [], torch.zeros((), device=accelerator.device)
    for real, index in zip(reals, mine, strict=True):
        rng = seeded_rng(accelerator.device, cfg.seed, nimg, index, phase.name)
        output = phase.loss(real, StepContext(nimg / 1000, rng, cfg.batch))
        (output.loss * (phase.interval / len(mine))).backward()
        broken += (~output.loss.detach().isfinite()).float() / len(mine)
        meter.add(output.stats)
        if output.tracked is not None:
            tracked.append(output.tracked)
    phase.module.requires_grad_(False)
    replaced, broken = _average_gradients(phase.module, broken, accelerator)
    meter.add({f"replaced_gradients/{phase.name}": replaced})
    meter.add({f"nonfinite_losses/{phase.name}": broken})
    phase.optimizer.step()
    if tracked and phase.track:
        mean = torch.stack(tracked).mean(dim=0)
        phase.track(mean_over_processes(mean, accelerator), cfg.batch)
    return ((replaced + broken) > 0).float()


def _average_gradients(
    module: nn.Module, broken: Float[Tensor, ""], accelerator: Accelerator
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean of gradients over processes, in place.

    Returns how many values were not finite and were replaced, and the mean of `broken`.
    """
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    flat = torch.cat([*(g.flatten() for g in gradients), broken.reshape(1)])
    flat = mean_over_processes(flat, accelerator)
    flat, broken = flat[:-1], flat[-1]
    replaced = (~flat.isfinite()).sum().float()
    if accelerator.num_processes == 1 and flat.device.type == "cpu" and not replaced:
        return replaced, broken  # nothing to write back; a GPU's host would have to wait for this
    flat = torch.nan_to_num(flat, nan=0.0, posinf=MAX_GRADIENT, neginf=-MAX_GRADIENT)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
    return replaced, broken
