"""Likeness of two pictures, over a mask: PSNR, SSIM, and the error of fine detail."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

SIGMA_PX = 1.5  # of the windows of SSIM (Wang et al. 2004), and of the high-pass filter
SMALLEST_ERROR = 1e-10  # mean square; caps PSNR at 100 dB


def psnr(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, " n"]:
    """PSNR of images in [0, 1], dB."""
    error = masked_mean(((a - b) ** 2).mean(dim=1, keepdim=True), mask)
    return -10 * error.clamp(min=SMALLEST_ERROR).log10()


def ssim(
    a: Float[Tensor, "n 3 h w"], b: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, " n"]:
    """Mean of `ssim_map` over the mask."""
    return masked_mean(ssim_map(a, b, mask), mask)


def ssim_map(
    a: Float[Tensor, "n 3 h w"], b: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 1 h w"]:
    """Structural similarity of images in [0, 1] (Wang et al. 2004), windows cut to the mask."""
    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b, aa, bb, ab = _blur(torch.cat([a, b, a * a, b * b, a * b], 1), mask).chunk(5, 1)
    covariance = ab - mean_a * mean_b
    variances = aa - mean_a**2 + bb - mean_b**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    similarity = luminance * (2 * covariance + c2) / (variances + c2)
    return similarity.mean(dim=1, keepdim=True)


def high_pass_error(
    image: Float[Tensor, "n c h w"],
    target: Float[Tensor, "n c h w"],
    mask: Float[Tensor, "n 1 h w"],
) -> Float[Tensor, " n"]:
    """Energy of the error over energy of the target, both high-passed: 0 is best, 1 a flat image.

    NaN where the target has no detail but rounding errors.
    """
    detail = target - _blur(target, mask)
    difference = image - _blur(image, mask) - detail
    energy = masked_sum(detail**2, mask)
    ratio = masked_sum(difference**2, mask) / energy
    return torch.where(energy > SMALLEST_ERROR * masked_sum(mask, mask), ratio, torch.nan)


def masked_sum(
    values: Float[Tensor, "n c h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, " n"]:
    """Sum over the mask and over all channels."""
    return (values * mask).sum(dim=(1, 2, 3))


def masked_mean(
    values: Float[Tensor, "n 1 h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, " n"]:
    """Mean over the mask; NaN (0 / 0) where it is empty."""
    return masked_sum(values, mask) / mask.sum(dim=(1, 2, 3))


def smooth(images: Float[Tensor, "n c h w"], sigma_px: float) -> Float[Tensor, "n c h w"]:
    """Gaussian sums over windows that end at `reach(sigma_px)` pixels; zero outside the frame."""
    radius = reach(sigma_px)
    steps = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    taps = torch.exp(-(steps**2) / (2 * sigma_px**2))
    taps = taps / taps.sum()
    channels = images.shape[1]
    column = taps.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1)
    row = taps.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # variances are differences
        images = F.conv2d(images, column, padding=(radius, 0), groups=channels)
        return F.conv2d(images, row, padding=(0, radius), groups=channels)


def reach(sigma_px: float) -> int:
    """Half the side of a window in pixels: 5 for the 11 x 11 windows of SSIM."""
    return math.ceil(3.3 * sigma_px)


def _blur(
    images: Float[Tensor, "n c h w"], mask: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n c h w"]:
    """Gaussian mean over the pixels of the mask alone: what lies outside was never compared."""
    return smooth(images * mask, SIGMA_PX) / smooth(mask, SIGMA_PX).clamp(min=1e-6)
