"""Images through wavelet filters: warped without aliasing, or with octave bands amplified.

Beyond its border an image goes on as its mirror image (the border pixel is not repeated), so the
plane it fills is periodic, and one period holds every pixel that a warp can ask for. A linear map
along one axis is a small matrix. All operations are native, so second derivatives exist.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# Low-pass filters of the orthogonal wavelets sym6 and sym2, sum 1: least asymmetric, with 6 and 2
# vanishing moments (Daubechies, "Ten Lectures on Wavelets", 1992, Ch. 6; divided by sqrt(2)).
SYM6 = np.array(
    [
        0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
        0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
        -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
    ]
) / math.sqrt(2)  # fmt: skip
SYM2 = np.array([1 - math.sqrt(3), 3 - math.sqrt(3), 3 + math.sqrt(3), 1 + math.sqrt(3)]) / 8
PEAK = 5  # tap of SYM6 that counts as its centre, so pixel k lies at 2k of the double resolution
NUM_BANDS = 4


def warp(
    images: Float[Tensor, "n c h w"], linear: Float[Tensor, "n 2 2"], offset: Float[Tensor, "n 2"]
) -> Float[Tensor, "n c h w"]:
    """Each pixel looked up at `linear @ position + offset`; x, y in pixels from the image centre.

    Upsampled x2, looked up bilinearly, downsampled x2, with filters that cancel where nothing moves
    (StyleGAN2-ADA App. B). The paper pads by what the batch needs; one period of the mirrored plane
    serves every draw, so no size depends on random numbers.
    """
    h, w = images.shape[-2:]
    kind = images.device, images.dtype
    fine = _upsampling(h, *kind) @ images @ _upsampling(w, *kind).mT  # n c 4h-4 4w-4

    # Indices of double resolution, counted from the image centre.
    x, y = (
        torch.arange(-PEAK, 2 * size + PEAK, device=images.device) - (size - 1) for size in (w, h)
    )
    matrix, shift = linear.to(images)[..., None, None], 2 * offset.to(images)[..., None, None]
    columns = matrix[:, 0, 0] * x + matrix[:, 0, 1] * y[:, None] + shift[:, 0] + (w - 1)
    rows = matrix[:, 1, 0] * x + matrix[:, 1, 1] * y[:, None] + shift[:, 1] + (h - 1)
    moved = _look_up(fine, rows, columns)
    return _downsampling(h, *kind) @ moved @ _downsampling(w, *kind).mT


def amplify_bands(
    images: Float[Tensor, "n c h w"], gains: Float[Tensor, "n 4"]
) -> Float[Tensor, "n c h w"]:
    """Octave bands of frequency multiplied by gains, lowest first, along rows and along columns."""
    along_h, along_w = (
        torch.einsum("nb,bij->nij", gains.to(images), bands)[:, None]
        for bands in (_band_filtering(k, images.device, images.dtype) for k in images.shape[-2:])
    )
    return along_h @ images @ along_w.mT


@lru_cache(maxsize=1)
def band_filters() -> np.ndarray:
    """Filters of the bands [0, 1/8], [1/8, 1/4], [1/4, 1/2], [1/2, 1] of half the sampling rate.

    With H the sym2 filter, L(z) = H(z) H(1/z) passes the lower half and L(-z) the upper. A band is
    a product of both in z, z^2 and z^4 (StyleGAN2-ADA App. B); all bands sum to the identity.
    """
    low = np.convolve(SYM2, SYM2[::-1])
    high = low * (-1.0) ** np.arange(-3, 4)
    left = np.ones(1)  # what the octaves so far left over
    bands = []
    for step in (1, 2, 4):
        bands.append(np.convolve(left, _in_power(high, step)))
        left = np.convolve(left, _in_power(low, step))
    bands.append(left)
    return np.stack([np.pad(band, (len(left) - len(band)) // 2) for band in reversed(bands)])


def _in_power(taps: np.ndarray, step: int) -> np.ndarray:
    """The filter in z^step."""
    spread = np.zeros(step * (len(taps) - 1) + 1)
    spread[::step] = taps
    return spread


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Index of the pixel at any place of the mirrored line."""
    index = index % (2 * size - 2)
    return np.minimum(index, 2 * size - 2 - index)


# The matrices are kept on their device, since copying them there would make the host wait.


@lru_cache(maxsize=8)
def _upsampling(
    size: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "4*{size}-4 {size}"]:
    """Matrix from pixels to one period of the mirrored line at double resolution."""
    matrix = np.zeros((4 * size - 4, size))
    pixels = np.arange(2 * size - 2)[:, None]
    fine = (2 * pixels + np.arange(len(SYM6)) - PEAK) % len(matrix)
    np.add.at(matrix, (fine, _mirrored(pixels, size)), 2 * SYM6)
    return torch.from_numpy(matrix).to(device, dtype)


@lru_cache(maxsize=8)
def _downsampling(
    size: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "{size} 2*{size}+10"]:
    """Matrix to pixels from double resolution, which begins PEAK samples before the first pixel."""
    matrix = np.zeros((size, 2 * size + 2 * PEAK))
    pixels = np.arange(size)[:, None]
    matrix[pixels, 2 * pixels + np.arange(len(SYM6))] = SYM6
    return torch.from_numpy(matrix).to(device, dtype)


@lru_cache(maxsize=8)
def _band_filtering(
    size: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "4 {size} {size}"]:
    """The band filters on a mirrored line of pixels."""
    filters = band_filters()
    num_taps = filters.shape[1]
    matrices = np.zeros((NUM_BANDS, size, size))
    pixels = np.arange(size)[:, None]
    sources = _mirrored(pixels + np.arange(num_taps) - num_taps // 2, size)
    for matrix, taps in zip(matrices, filters, strict=True):
        np.add.at(matrix, (pixels, sources), taps)
    return torch.from_numpy(matrices).to(device, dtype)


def _look_up(
    images: Float[Tensor, "n c h w"], rows: Float[Tensor, "n i j"], columns: Float[Tensor, "n i j"]
) -> Float[Tensor, "n c i j"]:
    """Bilinear lookup in one period of a periodic plane.

    By `gather`, since not every PyTorch that we allow can differentiate `grid_sample` twice.
    """
    h, w = images.shape[-2:]
    pixels = images.flatten(2)
    top, left = rows.floor(), columns.floor()
    below, right = (rows - top)[:, None], (columns - left)[:, None]
    i, j = top.long(), left.long()
    upper, lower = (i % h) * w, ((i + 1) % h) * w  # where a row begins
    near, far = j % w, (j + 1) % w

    def pixel(index: Int[Tensor, "n i j"]) -> Float[Tensor, "n c i j"]:
        index = index.flatten(1)[:, None].expand(-1, pixels.shape[1], -1)
        return pixels.gather(2, index).unflatten(2, rows.shape[1:])

    above = torch.lerp(pixel(upper + near), pixel(upper + far), right)
    return torch.lerp(above, torch.lerp(pixel(lower + near), pixel(lower + far), right), below)
