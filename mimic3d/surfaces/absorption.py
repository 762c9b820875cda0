"""Depths at which given shares of the light of a ray are absorbed: layers of what a pixel shows.

The mean depth lies between two surfaces where a pixel sees both; these lie on one or the other.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mimic3d.rays import Rays

Density = Callable[[Float[Tensor, "m 3"]], Float[Tensor, " m"]]
"""Densities (1 / world unit, not negative) at points in world units."""

COARSE, FINE = 32, 12  # samples of the whole ray, then of the piece with the crossing
CHUNK_RAYS = 2**14
HALF = math.log(2)  # optical depth at which half of the light is left


def median_depth(density: Density, rays: Rays, near: float, far: float) -> Float[Tensor, "n r"]:
    """Distance along each ray where half of the light is absorbed; inf where less is."""

    def half(total: Float[Tensor, " r"]) -> Float[Tensor, "r 1"]:
        return torch.full_like(total, HALF)[:, None]

    return _by_chunks(density, rays, near, far, half)[..., 0]


def quantile_depths(
    density: Density, rays: Rays, near: float, far: float, quantiles: tuple[float, ...]
) -> Float[Tensor, "n r k"]:
    """Distances along each ray where these fractions of all that it absorbs are absorbed."""
    fractions = torch.tensor(quantiles)

    def parts(total: Float[Tensor, " r"]) -> Float[Tensor, "r k"]:
        alpha = -torch.expm1(-total)[:, None]
        return -torch.log1p(-fractions.to(total) * alpha)

    return _by_chunks(density, rays, near, far, parts)


def _by_chunks(
    density: Density, rays: Rays, near: float, far: float,
    targets: Callable[[Float[Tensor, " r"]], Float[Tensor, "r k"]],
) -> Float[Tensor, "n r k"]:  # fmt: skip
    n, r, _ = rays.origins.shape
    origins, directions = rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3)
    chunks = zip(origins.split(CHUNK_RAYS), directions.split(CHUNK_RAYS), strict=True)
    parts = [_crossings(density, *chunk, near, far, targets) for chunk in chunks]
    return torch.cat(parts).unflatten(0, (n, r))


def _crossings(
    density: Density, origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"],
    near: float, far: float, targets: Callable[[Float[Tensor, " r"]], Float[Tensor, "r k"]],
) -> Float[Tensor, "r k"]:  # fmt: skip
    """Depths where the optical depth reaches the targets that its total allows; else inf."""
    depths = torch.linspace(near, far, COARSE, device=origins.device).expand(len(origins), COARSE)
    optical = _optical_depth(density, origins, directions, depths)
    crossings = []
    for target in targets(optical[:, -1]).unbind(dim=1):
        after = (optical < target[:, None]).sum(dim=1)
        before = (after - 1).clamp(0, COARSE - 2)[:, None]
        start, width = depths.gather(1, before), (far - near) / (COARSE - 1)
        fine = start + width * torch.linspace(0, 1, FINE, device=origins.device)
        within = _optical_depth(density, origins, directions, fine)
        passed, reached = optical.gather(1, before), optical.gather(1, before + 1)
        scaled = within * ((reached - passed) / within[:, -1:].clamp(min=1e-12))
        crossing = _interpolate(fine, passed + scaled, target[:, None])
        crossings.append(torch.where(after < COARSE, crossing, torch.inf))
    return torch.stack(crossings, dim=1)


def _interpolate(
    depths: Float[Tensor, "r s"], optical: Float[Tensor, "r s"], target: Float[Tensor, "r 1"]
) -> Float[Tensor, " r"]:
    """Depth at which the optical depth, which does not fall, has the target's value."""
    at = ((optical < target).sum(dim=1, keepdim=True) - 1).clamp(0, optical.shape[1] - 2)
    low, high = optical.gather(1, at), optical.gather(1, at + 1)
    share = ((target - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return torch.lerp(depths.gather(1, at), depths.gather(1, at + 1), share)[:, 0]


def _optical_depth(
    density: Density, origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"],
    depths: Float[Tensor, "r s"],
) -> Float[Tensor, "r s"]:  # fmt: skip
    """Integral of the density from the first depth to each, by trapezoids."""
    points = origins[:, None] + depths[..., None] * directions[:, None]
    densities = density(points.reshape(-1, 3)).reshape(depths.shape)
    pieces = (densities[:, 1:] + densities[:, :-1]) / 2 * depths.diff(dim=1)
    return F.pad(pieces.cumsum(dim=1), (1, 0))
