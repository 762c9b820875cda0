"""The dual discriminator of the 2D branch and the patch discriminator of the 3D branch."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.networks.layers import (
    FP16_CLAMP,
    Conv,
    DownConv,
    DownSkip,
    FullyConnected,
    minibatch_std,
)
from mimic3d.networks.mapping import CameraEmbedding
from mimic3d.networks.precision import MixedPrecision
from mimic3d.networks.resample import resize
from mimic3d.networks.synthesis import level_resolutions

CONSTANT_STD = 1e-4  # of an entry of the label that no camera changes, but for rounding
MIXED_LEVELS = 4  # highest resolutions that compute in the shorter format (EG3D)


class DiscriminatorConfig(Config):
    """Size of a discriminator: min(channel_base / resolution, channel_max) channels."""

    channel_base: PositiveInt = 32768
    """Channels times resolution where the width is not capped (EG3D)."""
    channel_max: PositiveInt = 512
    """Cap of the width at low resolutions (EG3D)."""
    mbstd_group_size: PositiveInt = 4
    """Samples whose standard deviation is a feature (StyleGAN2)."""
    mapping_layers: PositiveInt = 8
    """Fully connected layers after the embedding of the label (EG3D)."""
    mapping_lr_multiplier: PositiveFloat = 0.01
    """Learning rate of these layers relative to the optimiser's (StyleGAN2)."""
    standardized_label: bool = False
    """True if the dual discriminator reads labels less the dataset's mean and over its standard
    deviation: a raw label is nearly constant, and the pose in it is ignored for long."""


class ResidualBlock(nn.Module):
    """Two layers to half the resolution, plus a shortcut; both weigh sqrt(1/2)."""

    def __init__(self, in_channels: int, out_channels: int, clamp: float | None = None):
        super().__init__()
        self.conv0 = Conv(in_channels, in_channels, kernel=3, clamp=clamp)
        self.conv1 = DownConv(in_channels, out_channels, gain=math.sqrt(0.5), clamp=clamp)
        self.skip = DownSkip(in_channels, out_channels, gain=math.sqrt(0.5))

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h//2 w//2"]:
        """The features after the block."""
        return self.skip(x) + self.conv1(self.conv0(x))


class Epilogue(nn.Module):
    """Features at 4 x 4 -> one vector; the only place where samples see each other."""

    def __init__(self, channels: int, out_features: int, mbstd_group_size: int):
        super().__init__()
        self.mbstd_group_size = mbstd_group_size
        self.conv = Conv(channels + 1, channels, kernel=3)
        self.fc = FullyConnected(channels * 16, channels, "lrelu")
        self.out = FullyConnected(channels, out_features)

    def forward(self, x: Float[Tensor, "n c 4 4"]) -> Float[Tensor, "n out"]:
        """The vector."""
        x = self.conv(minibatch_std(x, self.mbstd_group_size))
        return self.out(self.fc(x.flatten(1)))


class Trunk(MixedPrecision):
    """Image -> one vector: residual blocks down to 4 x 4, then the epilogue (StyleGAN2)."""

    def __init__(
        self, cfg: DiscriminatorConfig, img_channels: int, resolution: int, out_features: int,
        legacy: bool,
    ):  # fmt: skip
        super().__init__()
        sizes = level_resolutions(resolution)[::-1]
        widths = [min(cfg.channel_base // r, cfg.channel_max) for r in sizes]
        clamps = [FP16_CLAMP if legacy and k < MIXED_LEVELS else None for k in range(len(sizes))]
        self.fromrgb = Conv(img_channels, widths[0], kernel=1, clamp=clamps[0])
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(*io, clamp)
                for io, clamp in zip(pairwise(widths), clamps, strict=False)
            )
        )
        self.epilogue = Epilogue(widths[-1], out_features, cfg.mbstd_group_size)

    def forward(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out"]:
        """The vector."""
        x = self.fromrgb(image.to(self.compute_dtype))
        x = self.blocks[:MIXED_LEVELS](x)
        return self.epilogue(self.blocks[MIXED_LEVELS:](x.to(image.dtype)))


class DualDiscriminator(nn.Module):
    """Logit of image and image_raw together, given the camera they show (EG3D Sec. 4.3)."""

    label_mean: Tensor
    label_std: Tensor

    def __init__(
        self, cfg: DiscriminatorConfig, image_resolution: int, c_dim: int = 25, legacy: bool = False
    ):
        super().__init__()
        width = min(cfg.channel_base // 4, cfg.channel_max)
        self.image_resolution = image_resolution
        self.trunk = Trunk(cfg, 6, image_resolution, width, legacy)
        self.mapping = CameraEmbedding(cfg.mapping_layers, cfg.mapping_lr_multiplier, c_dim, width)
        self.standardized_label = cfg.standardized_label
        if cfg.standardized_label:
            self.register_buffer("label_mean", torch.zeros(c_dim))
            self.register_buffer("label_std", torch.ones(c_dim))

    def set_label_statistics(
        self, mean: Float[Tensor, " c_dim"], std: Float[Tensor, " c_dim"]
    ) -> None:
        """Take the dataset's statistics of labels, if labels are standardised."""
        if self.standardized_label:
            self.label_mean.copy_(mean)
            self.label_std.copy_(torch.where(std > CONSTANT_STD, std, torch.ones_like(std)))

    def forward(
        self,
        image: Float[Tensor, "n 3 h w"],
        image_raw: Float[Tensor, "n 3 h2 w2"],
        c: Float[Tensor, "n c_dim"],
    ) -> Float[Tensor, " n"]:
        """Logit, positive for real; features are projected on the embedded label."""
        both = torch.cat([image, resize(image_raw, self.image_resolution)], dim=1)
        features = self.trunk(both)
        if self.standardized_label:
            c = (c - self.label_mean) / self.label_std
        return (features * self.mapping(c)).sum(dim=1) / math.sqrt(features.shape[1])


class PatchDiscriminator(nn.Module):
    """Logit of a patch, whatever it shows and wherever it was cut (Mimic3D)."""

    def __init__(self, cfg: DiscriminatorConfig, resolution: int, legacy: bool = False):
        super().__init__()
        self.trunk = Trunk(cfg, 3, resolution, 1, legacy)

    def forward(self, patch: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
        """Logit, positive for real."""
        return self.trunk(patch)[:, 0]
