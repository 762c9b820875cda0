"""Phases: one loss of one network, how often it is taken, and how it is stepped."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.data.dataset import Batch


class OptimizerConfig(Config):
    """Adam, as StyleGAN2 uses it."""

    lr: PositiveFloat = 0.0025
    """Learning rate before the correction for lazy regularisation; 0.0025 for G, 0.002 for D."""
    beta1: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the mean of squared gradients, before the same correction."""


@dataclass(frozen=True)
class StepContext:
    """Time at which a loss is taken, and the random numbers it may use."""

    kimg: float
    rng: torch.Generator
    batch: int = 32
    """Images per step over all processes, by which some schedules are scaled."""


@dataclass(frozen=True)
class LossOutput:
    """A loss to differentiate, scalars to report, and means that the phase tracks."""

    loss: Float[Tensor, ""]
    stats: dict[str, Float[Tensor, ""]] = field(default_factory=dict)
    tracked: Float[Tensor, " k"] | None = None


@dataclass(frozen=True)
class Phase:
    """One loss of one network; `interval` iterations lie between two of its steps.

    `track` gets the mean of `LossOutput.tracked` over the global batch, and the size of that batch.
    """

    name: str
    module: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Batch, StepContext], LossOutput]
    interval: int = 1
    track: Callable[[Float[Tensor, " k"], int], None] | None = None


def build_optimizer(
    module: nn.Module, cfg: OptimizerConfig, lazy_interval: int | None
) -> torch.optim.Adam:
    """Adam for a network whose regulariser runs every `lazy_interval` iterations.

    The regulariser adds steps, so learning rate and betas are corrected by k / (k + 1) to make a
    step of both together count as before (StyleGAN2 App. B, lazy regularisation).
    """
    ratio = lazy_interval / (lazy_interval + 1) if lazy_interval else 1.0
    betas = (float(cfg.beta1**ratio if cfg.beta1 else 0.0), float(cfg.beta2**ratio))
    lr = cfg.lr * ratio
    return torch.optim.Adam(module.parameters(), lr=lr, betas=betas, eps=1e-8, fused=True)


def seeded_rng(device: torch.device, *key: int | str) -> torch.Generator:
    """Random numbers that depend on the key alone: (seed, nimg, microbatch, purpose).

    So a resumed run equals an uninterrupted one, and one process that accumulates k microbatches
    equals k processes.
    """
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    seed = int.from_bytes(digest[:8], "big") >> 1  # manual_seed takes 63 bits
    return torch.Generator(device).manual_seed(seed)
