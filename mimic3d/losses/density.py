"""Density regularisation: neighbouring points should be about equally dense."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from mimic3d.config import Config


class DensityConfig(Config):
    """Total variation of the density, sampled at random points (EG3D Sec. 4.2)."""

    weight: NonNegativeFloat = 0.25
    """Weight of the loss."""
    interval: PositiveInt = 4
    """Iterations between steps; the gradient is multiplied by as much."""
    num_points: PositiveInt = 1000
    """Number of points per object."""
    distance: PositiveFloat = 0.004
    """Standard deviation of the step to the neighbouring point, world units (0.002 in
    `imitate`)."""


def draw_points(
    num: int, box_warp: float, cfg: DensityConfig, rng: torch.Generator, legacy: bool = False
) -> tuple[Float[Tensor, "n m 3"], Float[Tensor, "n m 3"]]:
    """Random points in the box and a neighbour of each, world units.

    The `legacy` points of the reference are uniform in [-1, 1]^3 whatever the box, so that seven of
    eight lie outside a unit box and half see no plane at all.
    """
    unit = torch.rand((num, cfg.num_points, 3), generator=rng, device=rng.device)
    points = (unit - 0.5) * (2.0 if legacy else box_warp)
    steps = torch.randn(points.shape, generator=rng, device=rng.device) * cfg.distance
    return points, points + steps


def density_loss(
    density: Callable[[Tensor], Tensor], points: Float[Tensor, "n m 3"],
    neighbours: Float[Tensor, "n m 3"], cfg: DensityConfig,
) -> Float[Tensor, ""]:  # fmt: skip
    """Mean absolute difference of raw density between points and their neighbours."""
    here, there = density(torch.cat([points, neighbours], dim=1)).chunk(2, dim=1)
    return cfg.weight * (here - there).abs().mean()
