"""Two recipes side by side: the phases of `pretrain` and the phases of `imitate`."""

import torch

from mimic3d.training.imitate_losses import ImitationLosses
from mimic3d.training.phases import Phase
from mimic3d.training.pretrain_losses import PretrainLosses


def pretrain_phases(
    losses: PretrainLosses, g_optimizer: torch.optim.Optimizer, d_optimizer: torch.optim.Optimizer
) -> list[Phase]:
    """Stage 1: the EG3D recipe on the 2D branch."""
    G, D, cfg = losses.G, losses.D, losses.cfg
    return [
        Phase("G", G, g_optimizer, losses.generator_phase),
        Phase("G_density", G, g_optimizer, losses.density_phase, cfg.density.interval),
        Phase("D", D, d_optimizer, losses.discriminator_phase, track=losses.track),
        Phase("D_r1", D, d_optimizer, losses.r1_phase, cfg.adversarial.r1_interval),
    ]


def imitate_phases(
    losses: ImitationLosses, g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer, d_patch_optimizer: torch.optim.Optimizer,
) -> list[Phase]:  # fmt: skip
    """Stage 2: the phases of stage 1, whose G now also imitates, and the patch discriminator."""
    D_patch, interval = losses.D_patch, losses.patch_adversarial.r1_interval
    return [
        *pretrain_phases(losses, g_optimizer, d_optimizer),
        Phase("D_patch", D_patch, d_patch_optimizer, losses.patch_discriminator_phase),
        Phase("D_patch_r1", D_patch, d_patch_optimizer, losses.patch_r1_phase, interval),
    ]
