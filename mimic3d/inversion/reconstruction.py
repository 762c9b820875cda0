"""Distance of a rendering from the image that it is to show."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from mimic3d.config import Config
from mimic3d.losses.perceptual import PerceptualNetwork

Identity = Callable[[Tensor, Tensor], Tensor]
"""Cosine of the identities of two batches of images in [-1, 1]: `n 3 h w` twice to `n`."""


class ReconstructionConfig(Config):
    """Weights of the parts of the distance."""

    l2_weight: NonNegativeFloat = 1.0
    """Weight of the mean square difference of pixels in [-1, 1]."""
    perceptual_weight: NonNegativeFloat = 0.1
    """Weight of the distance in learned features."""
    identity_weight: NonNegativeFloat = 0.1
    """Weight of 1 - cosine of the identities, where a network for faces is given."""


@dataclass(frozen=True)
class Reconstruction:
    """Weighted distance of images, as losses and in a report."""

    cfg: ReconstructionConfig
    perceptual: PerceptualNetwork
    identity: Identity | None = None
    """Network for faces; None: identity is not measured."""

    def __call__(
        self, images: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, " n"]:
        """Weighted sum of L2, perceptual and identity distance."""
        cfg = self.cfg
        loss = cfg.l2_weight * (images - target).square().mean(dim=(1, 2, 3))
        if cfg.perceptual_weight:
            loss = loss + cfg.perceptual_weight * self.perceptual(images, target)
        if self.identity is not None and cfg.identity_weight:
            loss = loss + cfg.identity_weight * (1 - self.identity(images, target))
        return loss
