"""Draws objects from a generator: latents with seeds of their own, images of both branches."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from mimic3d.cameras import cameras_from_labels
from mimic3d.config import Config
from mimic3d.metrics.features import resize
from mimic3d.metrics.protocol import Branch
from mimic3d.networks.generator import Generator

BRANCHES: tuple[Branch, ...] = ("2d", "3d")


class SamplingConfig(Config):
    """How objects are drawn from a generator."""

    seed: NonNegativeInt = 0
    """Sample i is drawn with seed + i, whatever the batch."""
    batch: PositiveInt = 8
    """Objects per forward pass; moves memory and time only."""
    truncation_psi: float = Field(default=1.0, ge=0)
    """Truncation of w; 1 is none."""
    resolution: PositiveInt | None = None
    """Side of the images that are measured, pixels; null is the generator's own."""


@dataclass(frozen=True)
class BranchImages:
    """The same objects from the same cameras by both branches."""

    first: int
    """Number of the first sample."""
    images: dict[Branch, Float[Tensor, "n 3 h w"]]


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


def sample_branches(
    G: Generator, labels: Float[Tensor, "m 25"], num: int, resolution: int, cfg: SamplingConfig
) -> Iterator[BranchImages]:
    """Images as the field's FID wants them: the camera that renders also conditions.

    Cameras are drawn from the labels, uniformly and with replacement.
    """
    device = labels.device
    for first in range(0, num, cfg.batch):
        size = min(cfg.batch, num - first)
        z, rows = draw_latents(first, size, G.config.z_dim, len(labels), cfg.seed)
        c = labels[rows.to(device)]
        cameras = cameras_from_labels(c)
        ws = G.mapping(z.to(device), c, cfg.truncation_psi)
        planes = G.synthesize_planes(ws, detail=True, noise="const")
        flat = G.render_2d(planes, ws, cameras).image
        direct = G.render_3d(planes, cameras, resolution).image
        yield BranchImages(first, {"2d": resize(flat, resolution), "3d": direct})
