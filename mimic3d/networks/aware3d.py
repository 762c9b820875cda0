"""3D-aware convolution: each plane of a tri-plane sees the other two (Mimic3D).

Plane p of (xy, yz, zx) has the axis a_p along its columns and a_{p+1} along its rows, with
a = (x, y, z). It sees three slots of channels, in the order xy, yz, zx: itself; plane p + 1
averaged over its rows, a profile along our rows; plane p - 1 averaged over its columns, a profile
along our columns. All planes share one weight and have their own styles.

A profile repeated over a plane is constant along one axis. A 3 x 3 convolution of it differs only
in the first and the last column (or row), where zero padding cuts the kernel; the same holds for
upsampling, whose output pixel depends on the 3 nearest input columns. So a strip of 3 columns is
convolved, border | inside | border, and its inside is repeated: exact, at a third of the work.
On small planes the number of operations counts, not their size: there all slots are laid out and
convolved at once.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mimic3d.networks.layers import (
    LRELU_GAIN,
    FullyConnected,
    Noise,
    StyledConv,
    demodulation,
    up_conv,
)

SMALL_SIDE = 8  # pixels; up to here one dense convolution took 0.5 to 0.7 of the time on a CPU core


def split_styles(styles: Float[Tensor, "n 3 3 c"]) -> list[Float[Tensor, "n 3 c"]]:
    """Styles by plane and slot -> for each source plane: of itself, as row and as column profile.

    Source q is slot q everywhere: row profile of plane q - 1, column profile of plane q + 1.
    """
    by_target = (styles, styles.roll(1, dims=1), styles.roll(-1, dims=1))
    return [rearrange(s.diagonal(dim1=1, dim2=2), "n c q -> n q c") for s in by_target]


def spread_strip(
    strip: Float[Tensor, "n 3 c h w"], dim: int, length: int
) -> Float[Tensor, "n 3 c h2 w2"]:
    """A strip whose axis is border, inside, border, with the inside repeated up to this length."""
    factor = strip.shape[dim] // 3  # pixels per input column: 2 after upsampling
    blocks = strip.unflatten(dim, (3, factor))
    first, inside, last = blocks.split(1, dim=dim - 1)
    shape = list(inside.shape)
    shape[dim - 1] = length // factor - 2
    return torch.cat([first, inside.expand(shape), last], dim=dim - 1).flatten(dim - 1, dim)


class AwareLayer(StyledConv):
    """3D-aware modulated 3 x 3 convolution, optionally x2 up, then noise and leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool):
        super().__init__(3 * in_channels, out_channels, w_dim, resolution, up, num_planes=3)

    def forward(
        self, x: Float[Tensor, "n 3 i h w"], w: Float[Tensor, "n w_dim"], noise: Noise
    ) -> Float[Tensor, "n 3 o h2 w2"]:
        """The planes after the layer."""
        styles = rearrange(self.affine(w), "n (p q c) -> n p q c", p=3, q=3)
        scale = demodulation(self.weight, rearrange(styles, "n p q c -> (n p) (q c)")) * LRELU_GAIN
        scale = rearrange(scale, "(n p) o -> n p o 1 1", p=3).to(x.dtype)
        bias = (self.bias * LRELU_GAIN)[:, None, None].to(x.dtype)
        if max(x.shape[-2:]) <= SMALL_SIDE:
            y = self._convolve_slots(x, styles)
            return self.activate(torch.addcmul(bias, y, scale), noise)
        own, row, column = (s[..., None].to(x.dtype) for s in split_styles(styles))
        along_rows = x.mean(dim=-2)[..., None] * row[..., None]
        along_columns = x.mean(dim=-1)[..., None, :] * column[..., None]
        y = self._convolve(x * own[..., None])
        rows = self._convolve(along_rows.expand(-1, -1, -1, -1, 3)).roll(-1, dims=1)
        columns = self._convolve(along_columns.expand(-1, -1, -1, 3, -1)).roll(1, dims=1)
        profiles = spread_strip(torch.addcmul(bias, rows, scale), -1, y.shape[-1])
        profiles = profiles + spread_strip(columns * scale, -2, y.shape[-2])
        return self.activate(torch.addcmul(profiles, y, scale), noise)

    def _convolve_slots(
        self, x: Float[Tensor, "n 3 c h w"], styles: Float[Tensor, "n 3 3 c"]
    ) -> Float[Tensor, "n 3 o h2 w2"]:
        """All slots of all planes, repeated profiles and all, under the whole weight."""
        rows = x.mean(dim=-2)[..., None].expand_as(x)
        columns = x.mean(dim=-1)[..., None, :].expand_as(x)
        slots = [
            {0: x, 1: rows, 2: columns}[(source - target) % 3][:, source]
            for target in range(3)
            for source in range(3)
        ]
        slots = torch.stack(slots, dim=1) * styles.flatten(1, 2)[..., None, None].to(x.dtype)
        slots = rearrange(slots, "n (p q) c h w -> (n p) (q c) h w", p=3)
        if self.up:
            y = up_conv(slots, self.weight.transpose(0, 1), self.fir)
        else:
            y = F.conv2d(slots, self.weight, padding=1)
        return rearrange(y, "(n p) o h w -> n p o h w", p=3)

    def _convolve(self, x: Float[Tensor, "n 3 c h w"]) -> Float[Tensor, "n 3 o h2 w2"]:
        """Each source plane under the weight of its own slot."""
        x = rearrange(x, "n q c h w -> n (q c) h w")
        if self.up:
            y = up_conv(x, self.weight.transpose(0, 1), self.fir, groups=3)
        else:
            weight = rearrange(self.weight, "o (q c) kh kw -> (q o) c kh kw", q=3)
            y = F.conv2d(x, weight, padding=1, groups=3)
        return rearrange(y, "n (q o) h w -> n q o h w", q=3)


class AwareToRGB(nn.Module):
    """3D-aware modulated 1 x 1 convolution without demodulation.

    The gain is 1 / sqrt(number of inputs) = 1 / sqrt(3 C). The reference has 1 / sqrt(C), under
    which planes grow by a factor of 2 to 3 per level; `legacy` reproduces that.
    """

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, legacy: bool):
        super().__init__()
        self.affine = FullyConnected(w_dim, 9 * in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, 3 * in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.gain = 1 / math.sqrt(in_channels if legacy else 3 * in_channels)

    def forward(
        self, x: Float[Tensor, "n 3 i h w"], w: Float[Tensor, "n w_dim"]
    ) -> Float[Tensor, "n 3 o h w"]:
        """The planes after the layer; profiles are multiplied before they are repeated."""
        styles = rearrange(self.affine(w) * self.gain, "n (p q c) -> n p q c", p=3, q=3)
        weight = rearrange(self.weight, "o (q c) 1 1 -> q o c", q=3)
        own, row, column = (weight * s[:, :, None] for s in split_styles(styles))  # n q o c
        y = (own @ x.flatten(3)).unflatten(3, x.shape[3:])
        rows = (row @ x.mean(dim=-2)).roll(-1, dims=1) + self.bias[:, None].to(y.dtype)
        columns = (column @ x.mean(dim=-1)).roll(1, dims=1)
        return y + rows[..., None] + columns[..., None, :]
