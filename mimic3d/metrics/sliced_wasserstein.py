"""Sliced Wasserstein distance of two sets of images, patch by patch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.config import Config

SIDE = 7  # of a patch in pixels (progressive GAN)
SCALE = 1e3  # sliced Wasserstein distances are reported in thousandths (progressive GAN)
CHUNK_PROJECTIONS = 32


class PatchConfig(Config):
    """Patches and projections of the sliced Wasserstein distance."""

    patches_per_image: PositiveInt = 32
    """Number of patches from each level of each image; 128 in progressive GAN."""
    max_images: PositiveInt = 4096
    """Limit of images of a set, the first of which are taken: patches fill memory, 0.1 MiB per
    image; 16384 in progressive GAN."""
    num_projections: PositiveInt = 128
    """Number of random directions; 512 in progressive GAN."""
    smallest: int = Field(default=16, ge=8)
    """Side of the coarsest level in pixels."""
    seed: NonNegativeInt = 0
    """Seed of places and directions."""


@dataclass(frozen=True)
class Patches:
    """Patches of the Laplacian pyramids of many images, one entry per level, finest first."""

    sides: tuple[int, ...]
    levels: tuple[Float[Tensor, "_ 3 7 7"], ...]


def sample_patches(images: UInt8[Tensor, "n 3 h w"], first: int, cfg: PatchConfig) -> Patches:
    """Patches at random places; `first` is the number of the first image in its set.

    Places depend on the number of an image only, so batches and processes do not matter.
    """
    pyramid = laplacian_pyramid(images.float() / 127.5 - 1, cfg.smallest)
    levels = []
    for level in pyramid:
        side, num = level.shape[-1], len(images)
        corners = np.stack(
            [
                np.random.RandomState([cfg.seed, side, first + index]).randint(
                    side - SIDE + 1, size=(2, cfg.patches_per_image)
                )
                for index in range(num)
            ]
        )
        places = torch.from_numpy(corners).to(level.device)[..., None] + torch.arange(
            SIDE, device=level.device
        )  # n 2 m 7
        batch = torch.arange(num, device=level.device)[:, None, None, None]
        rows, columns = places[:, 0, :, :, None], places[:, 1, :, None, :]
        picked = rearrange(level, "n c h w -> n h w c")[batch, rows, columns]
        levels.append(rearrange(picked, "n m h w c -> (n m) c h w").cpu().contiguous())
    return Patches(tuple(level.shape[-1] for level in pyramid), tuple(levels))


def laplacian_pyramid(
    images: Float[Tensor, "n c h w"], smallest: int
) -> list[Float[Tensor, "n c _ _"]]:
    """Band-passed images of half the size each, finest first; the last one is the low-pass rest."""
    levels = []
    while images.shape[-1] >= 2 * smallest:
        small = _blur(images)[..., ::2, ::2]
        spread = torch.zeros_like(images)
        spread[..., ::2, ::2] = 4 * small
        levels.append(images - _blur(spread))
        images = small
    return [*levels, images]


def _blur(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    taps = images.new_tensor([1, 4, 6, 4, 1]) / 16  # Burt and Adelson 1983
    channels = images.shape[1]
    kernel = torch.outer(taps, taps).expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def merge_patches(parts: Sequence[Patches]) -> Patches:
    """The patches of several batches as one set."""
    levels = zip(*(part.levels for part in parts), strict=True)
    return Patches(parts[0].sides, tuple(torch.cat(level) for level in levels))


def sliced_wasserstein(real: Patches, fake: Patches, cfg: PatchConfig) -> dict[int, float]:
    """Sliced Wasserstein distance x 1000 by side of the pyramid level (progressive GAN, Sec. 5).

    Each set is normalised per level and channel; fine levels see sharpness and noise, coarse ones
    composition and lost modes.

    Raises:
        ValueError: the sets differ in number of patches or resolution.
    """
    if real.sides != fake.sides or len(real.levels[0]) != len(fake.levels[0]):
        raise ValueError(
            f"both sets must have as many patches of the same levels, have {len(real.levels[0])} "
            f"of {real.sides} and {len(fake.levels[0])} of {fake.sides}; use equally many images "
            f"of one size"
        )
    return {
        side: _projected_distance(_normalised(a), _normalised(b), cfg)
        for side, a, b in zip(real.sides, real.levels, fake.levels, strict=True)
    }


def _normalised(patches: Float[Tensor, "m 3 7 7"]) -> Float[Tensor, "m d"]:
    mean = patches.mean(dim=(0, 2, 3), keepdim=True)
    std = patches.std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-8)  # flat images: no 0 / 0
    return ((patches - mean) / std).flatten(1)


def _projected_distance(
    a: Float[Tensor, "m d"], b: Float[Tensor, "m d"], cfg: PatchConfig
) -> float:
    rng = np.random.RandomState(cfg.seed)
    directions = torch.from_numpy(rng.standard_normal((cfg.num_projections, a.shape[1]))).to(a)
    directions = F.normalize(directions, dim=1)
    total = 0.0
    for chunk in directions.split(CHUNK_PROJECTIONS):
        gaps = (chunk @ a.T).sort(dim=-1).values - (chunk @ b.T).sort(dim=-1).values
        total += float(gaps.abs().double().mean(dim=-1).sum())
    return SCALE * total / cfg.num_projections
