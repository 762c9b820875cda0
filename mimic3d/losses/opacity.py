"""Opacity: in a world whose rays all end on a surface, light that passes through costs."""

from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from mimic3d.config import Config


class OpacityConfig(Config):
    """Penalty of light that passes through the whole scene."""

    weight: NonNegativeFloat = 0.0
    """Weight of the loss; 0, the reference, leaves it out. Where the dataset has empty rays it must
    be 0. Elsewhere it keeps G from painting dark pixels by being thin (docs/recipe.md)."""


def opacity_loss(alpha: Float[Tensor, "n 1 h w"], cfg: OpacityConfig) -> Float[Tensor, ""]:
    """Mean share of light that passes through, 1 - alpha, times the weight."""
    return cfg.weight * (1 - alpha).mean()
