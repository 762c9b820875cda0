"""The GAN game: non-saturating logistic loss and R1."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from mimic3d.config import Config


class AdversarialConfig(Config):
    """Regularisation of a discriminator."""

    r1_gamma: NonNegativeFloat = 1.0
    """Weight of R1; 1 for FFHQ and 5 for AFHQ in the authors' settings."""
    r1_interval: PositiveInt = 16
    """Iterations between R1 steps; its gradient is multiplied by as much."""


def generator_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Non-saturating generator loss softplus(-D(fake)) (StyleGAN2)."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " n"]
) -> Float[Tensor, ""]:
    """Discriminator loss softplus(D(fake)) + softplus(-D(real)) (StyleGAN2)."""
    return F.softplus(fake_logits).mean() + F.softplus(-real_logits).mean()


def r1_penalty(
    real_logits: Float[Tensor, " n"],
    inputs: tuple[Float[Tensor, "n _ _ _"], ...],
    cfg: AdversarialConfig,
) -> Float[Tensor, ""]:
    """R1: half of gamma times the squared gradient of D(real) by its inputs (StyleGAN2 Eq. 2).

    Of several inputs (image and image_raw, EG3D Sec. 4.3) the squares are added. The inputs must
    require gradients; the result can be differentiated again.
    """
    gradients = torch.autograd.grad(real_logits.sum(), inputs, create_graph=True)
    squares = torch.stack([g.square().sum(dim=[1, 2, 3]) for g in gradients]).sum(dim=0)
    return cfg.r1_gamma / 2 * squares.mean()
