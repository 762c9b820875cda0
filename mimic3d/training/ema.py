"""G_ema: the running average of G that is evaluated and published."""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mimic3d.config import Config


class EmaConfig(Config):
    """Speed of the running average."""

    half_life_kimg: PositiveFloat | None = None
    """Images after which an old weight counts half, in thousands; null is batch x 10/32
    (StyleGAN2)."""
    rampup: NonNegativeFloat | None = 0.05
    """Largest half-life as a share of the images so far, so that a young average is not its
    initialisation; null for a run that starts from a trained network."""


def ema_beta(nimg: int, batch: int, cfg: EmaConfig) -> float:
    """Share that the old average keeps in the step that begins after `nimg` images."""
    half_life = 1000 * (batch * 10 / 32 if cfg.half_life_kimg is None else cfg.half_life_kimg)
    if cfg.rampup is not None:
        half_life = min(half_life, nimg * cfg.rampup)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update_ema(G_ema: nn.Module, G: nn.Module, beta: float) -> None:
    """Move the averaged parameters towards G's and copy its buffers."""
    average_all = get_ema_multi_avg_fn(beta)  # all parameters at once
    average_all(list(G_ema.parameters()), list(G.parameters()), 0)
    for average, value in zip(G_ema.buffers(), G.buffers(), strict=True):
        average.copy_(value)
