"""Features of images and their running statistics; the network here needs no download."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

CHUNK_PIXELS = 2**21  # of input per pass; bounds memory at any batch size and resolution
SEED = 1
BLOCKS = 4
CHANNELS = 32
KERNEL = 4
CONTRAST_CHANNELS = 24  # of the first block: blind to colour, so that sharpness weighs as much
CONTRAST_GAIN = 4.0  # natural images differ more in colour than from pixel to pixel


def to_uint8(images: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 3 h w"]:
    """Images in [-1, 1] as they would be stored: x * 127.5 + 128, clamped, cut off (StyleGAN2)."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def resize(images: Float[Tensor, "n c h w"], resolution: int) -> Float[Tensor, "n c h2 w2"]:
    """Square images of another side, bilinear with antialiasing; the same images if it fits."""
    if images.shape[-1] == resolution:
        return images
    size = (resolution, resolution)
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def exact_convolutions() -> AbstractContextManager[None]:
    """Context of exact convolutions on GPUs: float32 throughout, and the same bits every time."""
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


FeatureNetworkName = Literal["lite0", "random_conv", "inception", "probe"]


class FeatureNetwork(nn.Module, ABC):
    """Network from images as they would be stored to features, which distances compare."""

    label: FeatureNetworkName
    """Label in the names of metrics."""
    name: str
    """Name with version: distances by networks of other names do not compare."""
    dim: int
    """Length of the features."""
    input_resize: str
    """Method by which the network resizes images to its input."""

    @abstractmethod
    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features."""


class RandomConvFeatures(FeatureNetwork):
    """256 features of an image by a random convolutional network whose weights never change.

    Four strided blocks of 32 channels with orthogonal weights; the mean and the standard deviation
    of every channel over the image, from fine to coarse. Three quarters of the first filters have
    zero mean, or colour alone would decide. Random networks are usable embeddings (arXiv
    2208.09218), but their distances compare with nothing but themselves: the name, with version
    and dimension, belongs to every number made with them.
    """

    label = "random_conv"
    name = "random_conv-v1-d256"
    dim = 2 * BLOCKS * CHANNELS
    input_resize = "none"

    def __init__(self):
        super().__init__()
        rng = np.random.RandomState(SEED)  # its stream is frozen, on every platform
        for block in range(BLOCKS):
            weight = _first_filters(rng) if block == 0 else _filters(rng, CHANNELS, CHANNELS)
            bias = 0.2 * rng.standard_normal(CHANNELS)  # or contrast would only scale features
            self.register_buffer(f"weight{block}", torch.from_numpy(weight).float())
            self.register_buffer(f"bias{block}", torch.from_numpy(bias).float())

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features, in passes that bound memory."""
        chunk = max(1, CHUNK_PIXELS // (images.shape[-2] * images.shape[-1]))
        return torch.cat([self._features(part) for part in images.split(chunk)])

    def _features(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        x = images.float() / 127.5 - 1
        pooled = []
        with exact_convolutions():
            for block in range(BLOCKS):
                weight, bias = getattr(self, f"weight{block}"), getattr(self, f"bias{block}")
                x = F.leaky_relu(F.conv2d(x, weight, bias, stride=2, padding=1), 0.2)
                flat = rearrange(x, "n c h w -> n c (h w)")
                pooled += [flat.mean(dim=-1), flat.std(dim=-1, correction=0)]
        return torch.cat(pooled, dim=1)


def _first_filters(rng: np.random.RandomState) -> np.ndarray:
    color = _filters(rng, CHANNELS - CONTRAST_CHANNELS, 3)
    contrast = CONTRAST_GAIN * _filters(rng, CONTRAST_CHANNELS, 3, zero_mean=True)
    return np.concatenate([color, contrast])


def _filters(
    rng: np.random.RandomState, outputs: int, inputs: int, zero_mean: bool = False
) -> np.ndarray:
    """Orthogonal filters that keep the power of their input behind a rectifier."""
    draws = rng.standard_normal((outputs, inputs, KERNEL, KERNEL))
    if zero_mean:
        draws -= draws.mean(axis=(2, 3), keepdims=True)
    q, r = np.linalg.qr(draws.reshape(outputs, -1).T)
    rows = (q * np.sign(np.diag(r))).T  # QR leaves the signs to the platform
    return np.sqrt(2) * rows.reshape(draws.shape)


@dataclass(frozen=True)
class FeatureStats:
    """Sums over features in float64; `+` merges sets, so batches and processes do not matter."""

    num: int
    total: Float[Tensor, " d"]
    outer: Float[Tensor, "d d"]

    @classmethod
    def empty(cls, dim: int) -> "FeatureStats":
        """Statistics of an empty set."""
        return cls(
            0, torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64)
        )

    @classmethod
    def of(cls, features: Float[Tensor, "n d"]) -> "FeatureStats":
        """Statistics of one batch."""
        wide = features.double().cpu()
        return cls(len(wide), wide.sum(dim=0), wide.T @ wide)

    def __add__(self, other: "FeatureStats") -> "FeatureStats":
        return FeatureStats(
            self.num + other.num, self.total + other.total, self.outer + other.outer
        )

    @property
    def mean(self) -> Float[Tensor, " d"]:
        """Mean feature."""
        return self.total / self.num

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Unbiased covariance."""
        mean = self.mean
        return (self.outer - self.num * torch.outer(mean, mean)) / (self.num - 1)
