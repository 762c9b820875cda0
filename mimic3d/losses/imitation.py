"""Imitation of the 2D branch by the 3D branch, patch by patch."""

from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from mimic3d.config import Config
from mimic3d.losses.perceptual import PerceptualConfig, PerceptualNetwork


class ImitationConfig(Config):
    """Weights of the losses that teach G in `imitate`.

    `weight` and `l1_weight` of 0 leave the patch discriminator alone to teach the 3D branch; with
    `dual_weight` 0 as well nothing teaches the 2D branch, whose pictures then mean nothing.
    """

    weight: NonNegativeFloat = 1.0
    """Weight of the perceptual distance to the 2D branch; 1 in the reference, which has no other
    term."""
    l1_weight: NonNegativeFloat = 0.0
    """Weight of the mean absolute difference, which also pins down colour; 0 in the reference."""
    adversarial_weight: NonNegativeFloat = 0.1
    """Weight of the patch discriminator's verdict: 0.1 at 512 px, 0.2 at 256 and 128 in the
    authors' settings."""
    dual_weight: NonNegativeFloat = 1.0
    """Weight of the dual discriminator's verdict on the 2D branch; 1 in the reference."""
    perceptual: PerceptualConfig = PerceptualConfig()
    """The network that measures the distance."""


def imitation_loss(
    patch_3d: Float[Tensor, "n 3 h w"], patch_2d: Float[Tensor, "n 3 h w"],
    perceptual: PerceptualNetwork, cfg: ImitationConfig,
) -> Float[Tensor, ""]:  # fmt: skip
    """Distance of a directly rendered patch to the same window of the super-resolved image.

    The 2D patch is the target: no gradient reaches it (Mimic3D "3D-to-2D imitation").
    """
    target, loss = patch_2d.detach(), patch_3d.new_zeros(())
    if cfg.weight:
        loss = loss + cfg.weight * perceptual(patch_3d, target).mean()
    if cfg.l1_weight:
        loss = loss + cfg.l1_weight * (patch_3d - target).abs().mean()
    return loss
