"""The layers of StyleGAN2: equalised linear and convolution, modulated convolution, minibatch std.

Stored weights are N(0, 1); the gains of equalised learning rates are applied when a layer runs.
Gains of activations are folded into weights, biases and demodulation (leaky ReLU is homogeneous),
which saves a pass over the activations. The reference also clamps the activations of networks that
it runs in fp16; float32 and bfloat16 have the range, so only converted checkpoints do (`clamp`).

Convolutions compute in the format of their input, styles and gains in that of the weights.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mimic3d.networks.resample import build_fir, downsample_2d, filter_2d

Noise = torch.Generator | Literal["const", "none"]
"""Noise of synthesis layers: drawn anew, the stored image (deterministic), or off."""

SLOPE = 0.2  # of the leaky ReLU for negative inputs (StyleGAN2)
LRELU_GAIN = math.sqrt(2)  # keeps the second moment through a leaky ReLU (StyleGAN2)
EPSILON = 1e-8  # below every sum of squares that is divided by (StyleGAN2)
FP16_CLAMP = (
    256.0  # largest activation, before a layer's own gain, in the reference's fp16 networks
)


class FullyConnected(nn.Module):
    """Linear layer with equalised learning rate, optionally with a leaky ReLU (StyleGAN2)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: Literal["linear", "lrelu"] = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], bias_init / lr_multiplier))
        self.activation = activation
        self.bias_gain = lr_multiplier * (LRELU_GAIN if activation == "lrelu" else 1.0)
        self.weight_gain = self.bias_gain / math.sqrt(in_features)

    def forward(self, x: Float[Tensor, "*batch i"]) -> Float[Tensor, "*batch o"]:
        """The features after the layer."""
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return F.leaky_relu(x, SLOPE) if self.activation == "lrelu" else x


class Conv(nn.Module):
    """Convolution of a discriminator with equalised learning rate: bias, leaky ReLU (StyleGAN2)."""

    fir: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, gain: float = 1.0,
        clamp: float | None = None,
    ):  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.padding = kernel // 2
        self.bias_gain = LRELU_GAIN * gain
        self.weight_gain = self.bias_gain / math.sqrt(in_channels * kernel**2)
        self.clamp = clamp and clamp * gain

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h w"]:
        """The features after the layer."""
        return self._activate(F.conv2d(x, *self._scaled(x.dtype), padding=self.padding))

    def _scaled(self, dtype: torch.dtype) -> tuple[Float[Tensor, "o i k k"], Float[Tensor, " o"]]:
        """Weight and bias as the convolution takes them."""
        return (self.weight * self.weight_gain).to(dtype), (self.bias * self.bias_gain).to(dtype)

    def _activate(self, x: Float[Tensor, "n o h w"]) -> Float[Tensor, "n o h w"]:
        return clamped(F.leaky_relu(x, SLOPE), self.clamp)


class DownConv(Conv):
    """A 3 x 3 `Conv` to half the resolution: filter, then a convolution of stride 2."""

    def __init__(
        self, in_channels: int, out_channels: int, gain: float = 1.0, clamp: float | None = None
    ):
        super().__init__(in_channels, out_channels, kernel=3, gain=gain, clamp=clamp)
        self.register_buffer("fir", build_fir(gain=1), persistent=False)

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h//2 w//2"]:
        """The features after the layer."""
        x = filter_2d(x, self.fir, padding=2)
        return self._activate(F.conv2d(x, *self._scaled(x.dtype), stride=2))


class DownSkip(nn.Module):
    """Shortcut of a residual block: half the resolution, 1 x 1 convolution without bias, linear."""

    fir: Tensor

    def __init__(self, in_channels: int, out_channels: int, gain: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.weight_gain = gain / math.sqrt(in_channels)
        self.register_buffer("fir", build_fir(gain=1), persistent=False)

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h//2 w//2"]:
        """The features after the layer."""
        return F.conv2d(downsample_2d(x, self.fir), (self.weight * self.weight_gain).to(x.dtype))


def clamped(x: Float[Tensor, "*batch c h w"], limit: float | None) -> Float[Tensor, "*batch c h w"]:
    """Values within +-limit, if there is one."""
    return x if limit is None else x.clamp(-limit, limit)


def up_conv(
    x: Float[Tensor, "n i h w"],
    weight: Float[Tensor, "i o k k"],
    fir: Float[Tensor, "4 4"],
    groups: int = 1,
) -> Float[Tensor, "n o2 2*h 2*w"]:
    """Convolution to twice the resolution: stride-2 transposed, then the filter of sum 4."""
    return filter_2d(F.conv_transpose2d(x, weight, stride=2, groups=groups), fir, padding=1)


def demodulation(
    weight: Float[Tensor, "o i k k"], styles: Float[Tensor, "n i"]
) -> Float[Tensor, "n o"]:
    """Scale of each output channel to unit variance under these styles (StyleGAN2 Eq. 3)."""
    return torch.rsqrt(styles.square() @ weight.square().sum(dim=[2, 3]).T + EPSILON)


def minibatch_std(x: Float[Tensor, "n c h w"], group_size: int) -> Float[Tensor, "n c+1 h w"]:
    """The features and a channel with their mean standard deviation within each group of samples.

    Sample i belongs to group i modulo n / group_size (StyleGAN2).

    Raises:
        ValueError: if the samples cannot be split into groups.
    """
    n, _, h, w = x.shape
    size = min(group_size, n)
    if n % size:
        raise ValueError(
            f"a discriminator's microbatch must be below mbstd_group_size = {group_size} or a "
            f"multiple of it, is {n}; change microbatch or mbstd_group_size"
        )
    groups = rearrange(x, "(g m) c h w -> g m c h w", g=size)
    std = torch.sqrt(groups.var(dim=0, unbiased=False) + EPSILON)  # m c h w
    std = std.mean(dim=[1, 2, 3]).repeat(size)
    return torch.cat([x, std[:, None, None, None].expand(-1, 1, h, w)], dim=1)


class StyledConv(nn.Module):
    """Parameters that all styled 3 x 3 convolutions share: styles, weight, noise, bias.

    `in_channels` counts the channels that one output sees, `num_planes` the planes that each have
    their own styles.
    """

    fir: Tensor
    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        up: bool,
        num_planes: int = 1,
        clamp: float | None = None,
    ):
        super().__init__()
        self.affine = FullyConnected(w_dim, num_planes * in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.num_planes = num_planes
        self.clamp = clamp
        self.up = up
        if up:
            self.register_buffer("fir", build_fir(gain=4), persistent=False)

    def activate(
        self, x: Float[Tensor, "*batch c h w"], noise: Noise
    ) -> Float[Tensor, "*batch c h w"]:
        """Noise, then leaky ReLU; whoever computed x multiplied it by `LRELU_GAIN` already."""
        if noise != "none":
            image = self.noise_const
            if isinstance(noise, torch.Generator):
                shape = (*x.shape[:-3], 1, *x.shape[-2:])
                image = torch.randn(shape, generator=noise, device=x.device)
            x = x + (image * (self.noise_strength * LRELU_GAIN)).to(x.dtype)
        return clamped(F.leaky_relu(x, SLOPE), self.clamp)


class SynthesisLayer(StyledConv):
    """Modulated 3 x 3 convolution, optionally x2 up, then noise and leaky ReLU (StyleGAN2).

    With several planes, the batch is ordered (n plane): the weight is shared, the styles are not.
    """

    def forward(
        self, x: Float[Tensor, "m i h w"], w: Float[Tensor, "n w_dim"], noise: Noise
    ) -> Float[Tensor, "m o h2 w2"]:
        """The features after the layer."""
        styles = rearrange(self.affine(w), "n (p i) -> (n p) i", p=self.num_planes)
        scale = demodulation(self.weight, styles) * LRELU_GAIN
        x = x * styles[:, :, None, None].to(x.dtype)
        if self.up:
            x = up_conv(x, self.weight.transpose(0, 1).to(x.dtype), self.fir)
        else:
            x = F.conv2d(x, self.weight.to(x.dtype), padding=1)
        bias = (self.bias * LRELU_GAIN)[:, None, None].to(x.dtype)
        return self.activate(torch.addcmul(bias, x, scale[:, :, None, None].to(x.dtype)), noise)


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution without demodulation: features to an image (StyleGAN2)."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, num_planes: int = 1):
        super().__init__()
        self.affine = FullyConnected(w_dim, num_planes * in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.gain = 1 / math.sqrt(in_channels)
        self.num_planes = num_planes

    def forward(
        self, x: Float[Tensor, "m i h w"], w: Float[Tensor, "n w_dim"]
    ) -> Float[Tensor, "m o h w"]:
        """The image: one small matrix per sample times all its pixels."""
        styles = rearrange(self.affine(w), "n (p i) -> (n p) 1 i", p=self.num_planes)
        weight = self.weight[:, :, 0, 0] * (styles * self.gain)  # m o i
        bias = self.bias[:, None].to(x.dtype)
        image = torch.baddbmm(bias, weight.to(x.dtype), x.flatten(2))
        return image.unflatten(2, x.shape[2:])
