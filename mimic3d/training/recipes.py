"""Two recipes side by side: the phases of `pretrain` and the phases of `imitate`."""

import torch

from mimic3d.training.imitate_losses import ImitationGame
from mimic3d.training.phases import Phase
from mimic3d.training.pretrain_losses import DualGame


def pretrain_phases(
    game: DualGame, g_optimizer: torch.optim.Optimizer, d_optimizer: torch.optim.Optimizer
) -> list[Phase]:
    """Stage 1: the EG3D recipe on the 2D branch."""
    G, D = game.G, game.D
    return [
        Phase("G", G, g_optimizer, game.generator_loss),
        Phase("G_density", G, g_optimizer, game.density_loss, game.density.interval),
        Phase("D", D, d_optimizer, game.discriminator_loss, track=game.track),
        Phase("D_r1", D, d_optimizer, game.real_penalty, game.adversarial.r1_interval),
    ]


def imitate_phases(
    game: ImitationGame, g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer, d_patch_optimizer: torch.optim.Optimizer,
) -> list[Phase]:  # fmt: skip
    """Stage 2: the phases of stage 1, whose G now also imitates, and the patch discriminator."""
    D_patch, interval = game.D_patch, game.patch_adversarial.r1_interval
    return [
        *pretrain_phases(game, g_optimizer, d_optimizer),
        Phase("D_patch", D_patch, d_patch_optimizer, game.patch_discriminator_loss),
        Phase("D_patch_r1", D_patch, d_patch_optimizer, game.patch_real_penalty, interval),
    ]
