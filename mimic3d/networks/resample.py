"""Images at another resolution: the FIR filter of StyleGAN2, blur and antialiased resizing.

Everything here consists of native operations, so second derivatives exist (R1 needs them). The
4 x 4 filter runs as one depthwise convolution, measured faster than two separable passes.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

FIR_TAPS = (1.0, 3.0, 3.0, 1.0)  # StyleGAN2's resampling filter along one axis


def build_fir(gain: float) -> Float[Tensor, "4 4"]:
    """The 4 x 4 resampling filter with this sum; filling in zeros (upsampling x2) needs gain 4."""
    taps = torch.tensor(FIR_TAPS)
    return torch.outer(taps, taps) * (gain / taps.sum().square())


def filter_2d(
    x: Float[Tensor, "n c h w"], fir: Float[Tensor, "k k"], padding: int, stride: int = 1
) -> Float[Tensor, "n c h2 w2"]:
    """Each channel filtered on its own, zeros outside."""
    c = x.shape[1]
    weight = fir.to(x.dtype).expand(c, 1, -1, -1)
    return F.conv2d(x, weight, padding=padding, stride=stride, groups=c)


def upsample_2d(
    x: Float[Tensor, "n c h w"], fir: Float[Tensor, "4 4"]
) -> Float[Tensor, "n c 2*h 2*w"]:
    """Images at twice the resolution; the filter must sum to 4."""
    c = x.shape[1]
    weight = fir.to(x.dtype).expand(c, 1, -1, -1)
    return F.conv_transpose2d(x, weight, padding=1, stride=2, groups=c)


def downsample_2d(
    x: Float[Tensor, "n c h w"], fir: Float[Tensor, "4 4"]
) -> Float[Tensor, "n c h//2 w//2"]:
    """Images at half the resolution; the filter must sum to 1."""
    return filter_2d(x, fir, padding=1, stride=2)


def gaussian_blur(x: Float[Tensor, "n c h w"], sigma_px: float) -> Float[Tensor, "n c h w"]:
    """Images blurred with exp2(-(k / sigma)^2), |k| <= 3 sigma, sum 1; zeros outside (EG3D)."""
    reach = math.floor(3 * sigma_px)
    if reach == 0:
        return x
    steps = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp2(-(steps / sigma_px).square())
    kernel = kernel / kernel.sum()
    c = x.shape[1]
    x = F.conv2d(x, kernel.expand(c, 1, 1, -1), padding=(0, reach), groups=c)
    return F.conv2d(x, kernel[:, None].expand(c, 1, -1, 1), padding=(reach, 0), groups=c)


def resize(
    x: Float[Tensor, "n c h w"], resolution: int
) -> Float[Tensor, "n c {resolution} {resolution}"]:
    """Square image at any resolution, bilinear, antialiased when it shrinks."""
    if x.shape[-2:] == (resolution, resolution):
        return x
    size = (resolution, resolution)
    shrinks = resolution < max(x.shape[-2:])  # elsewhere antialiasing only costs time
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=shrinks)
