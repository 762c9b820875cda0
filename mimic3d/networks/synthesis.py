"""Styles to an image of features at every resolution: the skip generator of StyleGAN2."""

import torch
from einops import repeat
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.networks.layers import Noise, SynthesisLayer, ToRGB
from mimic3d.networks.resample import build_fir, upsample_2d


class BackboneConfig(Config):
    """Width of the backbone: min(channel_base / resolution, channel_max) channels."""

    channel_base: PositiveInt = 32768
    """Channels times resolution where the width is not capped (EG3D)."""
    channel_max: PositiveInt = 512
    """Cap of the width at low resolutions (EG3D)."""


def level_resolutions(resolution: int) -> list[int]:
    """The powers of two from 4 to this resolution."""
    assert resolution >= 8, "the smallest synthesis network has two levels"
    assert resolution.bit_count() == 1, "resolutions are powers of two"
    return [2**k for k in range(2, resolution.bit_length())]


class FirstBlock(nn.Module):
    """The learned constant at 4 x 4, one layer and an image of it."""

    def __init__(self, channels: int, w_dim: int, img_channels: int):
        super().__init__()
        self.const = nn.Parameter(torch.randn(1, channels, 4, 4))
        self.conv1 = SynthesisLayer(channels, channels, w_dim, 4, up=False)
        self.torgb = ToRGB(channels, img_channels, w_dim)

    def forward(
        self, ws: Float[Tensor, "n 2 w_dim"], noise: Noise
    ) -> tuple[Float[Tensor, "n o 4 4"], Float[Tensor, "n i 4 4"]]:
        """Features and image."""
        x = repeat(self.const, "1 c h w -> n c h w", n=ws.shape[0])
        x = self.conv1(x, ws[:, 0], noise)
        return x, self.torgb(x, ws[:, 1])


class SynthesisBlock(nn.Module):
    """Two layers at one resolution and their addition to the image, upsampled with them."""

    fir: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        up: bool,
        clamp: float | None = None,
    ):
        super().__init__()
        self.conv0 = SynthesisLayer(in_channels, out_channels, w_dim, resolution, up, clamp=clamp)
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim, resolution, up=False, clamp=clamp
        )
        self.torgb = ToRGB(out_channels, img_channels, w_dim)
        self.up = up
        if up:
            self.register_buffer("fir", build_fir(gain=4), persistent=False)

    def forward(
        self,
        x: Float[Tensor, "n c h w"],
        image: Float[Tensor, "n i h w"],
        ws: Float[Tensor, "n 3 w_dim"],
        noise: Noise,
    ) -> tuple[Float[Tensor, "n o h2 w2"], Float[Tensor, "n i h2 w2"]]:
        """Features in the number format of x, and image in its own."""
        x = self.conv0(x, ws[:, 0], noise)
        x = self.conv1(x, ws[:, 1], noise)
        skip = upsample_2d(image, self.fir) if self.up else image
        return x, skip + self.torgb(x, ws[:, 2]).to(skip.dtype)


class SynthesisBackbone(nn.Module):
    """Styles to the skip images of all levels, 4 x 4 first.

    Level l takes ws[2 l - 1] and ws[2 l] for its layers and ws[2 l + 1] for its image.
    """

    def __init__(self, cfg: BackboneConfig, w_dim: int, resolution: int, img_channels: int):
        super().__init__()
        resolutions = level_resolutions(resolution)
        widths = [min(cfg.channel_base // r, cfg.channel_max) for r in resolutions]
        self.num_ws = 2 * len(resolutions)
        self.first = FirstBlock(widths[0], w_dim, img_channels)
        self.blocks = nn.ModuleList(
            SynthesisBlock(widths[k - 1], widths[k], w_dim, r, img_channels, up=True)
            for k, r in enumerate(resolutions)
            if k > 0
        )

    def forward(
        self, ws: Float[Tensor, "n l w_dim"], noise: Noise
    ) -> tuple[Float[Tensor, "n c _h _w"], ...]:
        """The image of features after each level; each contains the upsampled one before it."""
        x, image = self.first(ws[:, :2], noise)
        levels = [image]
        for k, block in enumerate(self.blocks, start=1):
            x, image = block(x, image, ws[:, 2 * k - 1 : 2 * k + 2], noise)
            levels.append(image)
        return tuple(levels)
