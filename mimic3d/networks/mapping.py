"""Latent codes and camera labels to styles (StyleGAN2, conditioned as in EG3D)."""

import torch
from einops import repeat
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.networks.layers import EPSILON, FullyConnected


class MappingConfig(Config):
    """Size of the mapping network of the generator."""

    num_layers: PositiveInt = 2
    """Fully connected layers after the embedding of the label (EG3D)."""
    lr_multiplier: PositiveFloat = 0.01
    """Learning rate of these layers relative to the optimiser's (StyleGAN2)."""
    w_avg_beta: float = Field(default=0.998, ge=0, lt=1)
    """Momentum of the average w that truncation leads to (StyleGAN2)."""
    camera_conditioning: bool = True
    """True if the label reaches w; else the network sees zeros in its place (EG3D's setting for
    ShapeNet)."""


def normalize_moment(x: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Each row scaled to mean square 1."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


def build_layers(num: int, in_features: int, width: int, lr_multiplier: float) -> nn.Sequential:
    """A stack of fully connected layers with leaky ReLUs."""
    widths = [in_features] + [width] * (num - 1)
    return nn.Sequential(*(FullyConnected(i, width, "lrelu", lr_multiplier) for i in widths))


class MappingNetwork(nn.Module):
    """z and camera label to one style vector per synthesis layer.

    `w_avg` is the running mean of w; only `update_w_avg` changes it.
    """

    w_avg: Tensor

    def __init__(self, cfg: MappingConfig, z_dim: int, c_dim: int, w_dim: int, num_ws: int):
        super().__init__()
        self.num_ws = num_ws
        self.w_avg_beta = cfg.w_avg_beta
        self.camera_conditioning = cfg.camera_conditioning
        self.embed = FullyConnected(c_dim, w_dim)
        self.layers = build_layers(cfg.num_layers, z_dim + w_dim, w_dim, cfg.lr_multiplier)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self, z: Float[Tensor, "n z_dim"], c: Float[Tensor, "n c_dim"],
        truncation_psi: float = 1.0, truncation_cutoff: int | None = None,
    ) -> Float[Tensor, "n l w_dim"]:  # fmt: skip
        """The styles, drawn towards the average by truncation (psi 0 is the average itself).

        With a cutoff, only the first so many style vectors are truncated, the coarse ones.
        """
        if not self.camera_conditioning:
            c = torch.zeros_like(c)
        w = self.layers(torch.cat([normalize_moment(z), normalize_moment(self.embed(c))], dim=1))
        ws = repeat(w, "n w_dim -> n l w_dim", l=self.num_ws)
        if truncation_psi == 1:
            return ws
        coarse = slice(None, truncation_cutoff)
        truncated = self.w_avg.lerp(ws[:, coarse], truncation_psi)
        return torch.cat([truncated, ws[:, truncated.shape[1] :]], dim=1)

    @torch.no_grad()
    def update_w_avg(self, w: Float[Tensor, " w_dim"]) -> None:
        """Moves the average towards w, the mean over the global batch without truncation."""
        self.w_avg.copy_(w.lerp(self.w_avg, self.w_avg_beta))


class CameraEmbedding(nn.Module):
    """Camera label to the vector on which a discriminator projects its features (StyleGAN2-ADA)."""

    def __init__(self, num_layers: int, lr_multiplier: float, c_dim: int, width: int):
        super().__init__()
        self.embed = FullyConnected(c_dim, width)
        self.layers = build_layers(num_layers, width, width, lr_multiplier)

    def forward(self, c: Float[Tensor, "n c_dim"]) -> Float[Tensor, "n width"]:
        """The embedded label."""
        return self.layers(normalize_moment(self.embed(c)))
