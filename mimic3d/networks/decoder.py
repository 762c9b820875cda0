"""Point features to density and colour features."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.rendering.composite import COLOR_MARGIN
from mimic3d.rendering.fused.layout import Layers


class DecoderConfig(Config):
    """Size of the decoder."""

    hidden_channels: PositiveInt = 64
    """Units of its hidden layer (EG3D Sec. 4.1)."""


class Decoder(nn.Module):
    """A softplus layer and a linear one; no view direction (EG3D Sec. 4.1).

    Weights are drawn from N(0, 1) and scaled by 1 / sqrt(inputs) when used (StyleGAN2's equalised
    learning rate).
    """

    def __init__(self, cfg: DecoderConfig, in_channels: int, out_channels: int):
        super().__init__()
        hidden = cfg.hidden_channels
        self.hidden_weight = nn.Parameter(torch.randn(hidden, in_channels))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.out_weight = nn.Parameter(torch.randn(1 + out_channels, hidden))
        self.out_bias = nn.Parameter(torch.zeros(1 + out_channels))

    def forward(
        self, features: Float[Tensor, "n m c"], channels: int
    ) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m k"]]:
        """Raw density and the first `channels` colour features in 0..1; no others are computed."""
        hidden = F.softplus(_linear(features, self.hidden_weight, self.hidden_bias))
        rows = slice(0, 1 + channels)
        out = _linear(hidden, self.out_weight[rows], self.out_bias[rows])
        colors = torch.sigmoid(out[..., 1:]) * (1 + 2 * COLOR_MARGIN) - COLOR_MARGIN
        return out[..., :1], colors

    def layers(self, channels: int) -> Layers:
        """The weights that `forward` uses, gains included, as fused kernels read them."""
        rows = slice(0, 1 + channels)
        return Layers(
            _scaled(self.hidden_weight), self.hidden_bias,
            _scaled(self.out_weight[rows]), self.out_bias[rows],
        )  # fmt: skip


def _scaled(weight: Float[Tensor, "o i"]) -> Float[Tensor, "o i"]:
    return weight * weight.shape[1] ** -0.5


def _linear(
    x: Float[Tensor, "n m i"], weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"]
) -> Float[Tensor, "n m o"]:
    return F.linear(x, _scaled(weight), bias)
