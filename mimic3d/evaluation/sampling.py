"""Draws objects from a generator: latents with seeds of their own, images of both branches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from mimic3d.cameras import cameras_from_labels
from mimic3d.config import Config
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects

BRANCHES: tuple[Branch, ...] = ("2d", "3d")
CONDITIONING = 1  # stream of random numbers apart from that of latents

CameraMode = Literal["conditioned", "independent", "fixed"]
"""Camera that conditions G: the one that renders, another one of the dataset, or the average."""


class SamplingConfig(Config):
    """Sampling of objects from a generator."""

    seed: NonNegativeInt = 0
    """Seed of the first sample; sample i has seed + i, whatever the batch."""
    batch: PositiveInt = 8
    """Objects per forward pass; moves memory and time only."""
    truncation_psi: float = Field(default=1.0, ge=0)
    """Truncation of w; 1 is none."""
    resolution: PositiveInt | None = None
    """Side of the images that are measured, pixels; null is the generator's own."""


@dataclass(frozen=True)
class CameraDraw:
    """Source of cameras.

    The one that renders is drawn from the labels, uniformly and with replacement; it is the same
    for a sample in every mode.
    """

    labels: Float[Tensor, "m 25"]
    """Labels of the dataset."""
    average_label: Float[Tensor, "1 25"]
    """Mean of the labels."""
    mode: CameraMode = "conditioned"


@dataclass(frozen=True)
class BranchImages:
    """Images of the same objects from the same cameras by both branches."""

    first: int
    """Number of the first sample."""
    images: dict[Branch, Float[Tensor, "n 3 h w"]]
    resampled: dict[int, Float[Tensor, "n 3 h w"]]
    """The 3D branch with other numbers of samples per ray."""


def draw_latents(
    first: int, num: int, z_dim: int, num_labels: int, seed: int
) -> tuple[Float[Tensor, "n z_dim"], Int[Tensor, " n"]]:
    """Latents and rows of the label table of samples `first`...; a sample has a seed of its own."""
    z, rows = [], []
    for index in range(first, first + num):
        rng = torch.Generator().manual_seed(seed + index)
        z.append(torch.randn(z_dim, generator=rng))
        rows.append(torch.randint(num_labels, (), generator=rng))
    return torch.stack(z), torch.stack(rows)


def draw_conditioning(first: int, num: int, num_labels: int, seed: int) -> Int[Tensor, " n"]:
    """Rows of the label table that have nothing to do with those of `draw_latents`."""
    rows = [
        np.random.default_rng([CONDITIONING, seed + index]).integers(num_labels)
        for index in range(first, first + num)
    ]
    return torch.tensor(rows)


def sample_branches(
    G: Generator, draw: CameraDraw, samples: range, resolution: int, cfg: SamplingConfig,
    samples_per_ray: Sequence[int] = (),
) -> Iterator[BranchImages]:  # fmt: skip
    """Images of the numbered samples, in passes of `cfg.batch`.

    With `samples_per_ray`, the 3D branch also renders with these numbers of samples.
    """
    for first in range(samples.start, samples.stop, cfg.batch):
        size = min(cfg.batch, samples.stop - first)
        labels, device = draw.labels, draw.labels.device
        z, rows = draw_latents(first, size, G.config.z_dim, len(labels), cfg.seed)
        rendering = labels[rows.to(device)]
        if draw.mode == "conditioned":
            c = rendering
        elif draw.mode == "independent":
            c = labels[draw_conditioning(first, size, len(labels), cfg.seed).to(device)]
        else:
            c = draw.average_label.expand(size, -1)
        cameras = cameras_from_labels(rendering)
        ws = G.mapping(z.to(device), c, cfg.truncation_psi)
        objects = synthesize_objects(G, ws, detail=True)
        flat = objects.render(cameras, "2d", resolution).image
        direct = objects.render(cameras, "3d", resolution).image
        resampled = {
            num: objects.with_samples_per_ray(num).render(cameras, "3d", resolution).image
            for num in samples_per_ray
        }
        yield BranchImages(first, {"2d": flat, "3d": direct}, resampled)
