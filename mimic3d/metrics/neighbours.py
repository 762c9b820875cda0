"""Improved precision and recall by nearest neighbours: fidelity and variety apart."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from pydantic import PositiveInt
from torch import Tensor

from mimic3d.config import Config

CHUNK_PAIRS = 2**24  # distances held at once: 128 MiB
ROUNDING = 1e-13  # squared distances below this share of the squared lengths are 0


class NeighboursConfig(Config):
    """Balls around samples that stand for the manifold of a set."""

    k: PositiveInt = 3
    """Rank of the nearest neighbour in its own set that a ball reaches to
    (Kynkaanniemi et al. 2019)."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall: shares, 0..1."""

    precision: float
    """Share of generated images that look real: that lie in the ball of some real one."""
    recall: float
    """Share of real images that can be generated: that lie in the ball of some generated one."""


def precision_recall(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], cfg: NeighboursConfig
) -> PrecisionRecall:
    """Improved precision and recall (Kynkaanniemi et al. 2019, Eq. 1 and 2), in float64.

    Both depend on the numbers of images, so compare equal ones only.

    Raises:
        ValueError: a set has no k-th neighbour.
    """
    if min(len(real), len(fake)) <= cfg.k:
        raise ValueError(
            f"precision and recall need more than neighbours.k = {cfg.k} images in each set, have "
            f"{len(real)} and {len(fake)}; compare more"
        )
    real, fake = real.double(), fake.double()
    return PrecisionRecall(
        precision=float(_inside(fake, real, _radii(real, cfg.k)).double().mean()),
        recall=float(_inside(real, fake, _radii(fake, cfg.k)).double().mean()),
    )


def _radii(features: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    """Squared distance of each sample to its k-th neighbour, itself not counted."""
    radii = []
    for first, squared in _squared_distances(features, features):
        own = torch.arange(len(squared), device=squared.device)
        squared[own, first + own] = torch.inf
        radii.append(squared.topk(k, dim=1, largest=False).values[:, -1])
    return torch.cat(radii)


def _inside(
    points: Float[Tensor, "n d"], centers: Float[Tensor, "m d"], radii: Float[Tensor, " m"]
) -> Bool[Tensor, " n"]:
    """Mask of the points that lie in the ball of some centre."""
    parts = [(squared <= radii).any(dim=1) for _, squared in _squared_distances(points, centers)]
    return torch.cat(parts)


def _squared_distances(
    a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]
) -> Iterator[tuple[int, Float[Tensor, "_ m"]]]:
    """Rows of the matrix of squared distances, with the number of the first one."""
    lengths = b.square().sum(dim=1)
    rows = max(1, CHUNK_PAIRS // len(b))
    for first in range(0, len(a), rows):
        chunk = a[first : first + rows]
        sums = chunk.square().sum(dim=1, keepdim=True) + lengths
        squared = sums - 2 * chunk @ b.T
        yield first, torch.where(squared < ROUNDING * sums, 0.0, squared)
