"""Principal axes of w at one conditioning camera, and its whitened coordinates."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt
from torch import Tensor

from mimic3d.config import Config
from mimic3d.networks.generator import Generator
from mimic3d.training.phases import seeded_rng

BATCH = 1024  # latents mapped at once
SMALLEST_DEVIATION = 1e-3  # of the largest; axes along which w hardly varies are not blown up


class PrincipalAxesConfig(Config):
    """Sample of w from which its distribution is estimated."""

    num_samples: int = Field(default=10000, ge=2)
    """Latents that are mapped (10,000 in GANSpace and in projections of StyleGAN2)."""
    seed: NonNegativeInt = 0
    """Seed of these latents."""


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Gaussian of w at one conditioning camera, by its principal axes."""

    mean: Float[Tensor, " w_dim"]
    axes: Float[Tensor, "w_dim w_dim"]
    """Orthonormal rows, ordered by variance, the largest first."""
    deviations: Float[Tensor, " w_dim"]
    """Standard deviation along each axis."""

    def whiten(self, w: Float[Tensor, "*batch w_dim"]) -> Float[Tensor, "*batch w_dim"]:
        """Coordinates along the axes in standard deviations; zero is the mean."""
        return (w - self.mean) @ self.axes.T / self.deviations

    def unwhiten(self, x: Float[Tensor, "*batch w_dim"]) -> Float[Tensor, "*batch w_dim"]:
        """Inverse of `whiten`."""
        return (x * self.deviations) @ self.axes + self.mean

    def deviation_along(self, directions: Float[Tensor, "k w_dim"]) -> Float[Tensor, " k"]:
        """Standard deviation of w along unit vectors."""
        return ((directions @ self.axes.T) * self.deviations).norm(dim=1)

    def to(self, device: torch.device | str) -> "PrincipalAxes":
        """Copy of the distribution on another device."""
        parts = (self.mean, self.axes, self.deviations)
        return PrincipalAxes(*(part.to(device) for part in parts))


@torch.no_grad()
def draw_w(
    G: Generator, label: Float[Tensor, "1 25"], first: int, num: int, seed: int
) -> Float[Tensor, "n w_dim"]:
    """Samples `first`... of w at one conditioning camera; without truncation."""
    device = G.mapping.w_avg.device
    rng = seeded_rng(torch.device("cpu"), seed, first, "z")
    z = torch.randn((num, G.config.z_dim), generator=rng).to(device)
    return G.mapping(z, label.to(device).expand(num, -1))[:, 0]


@torch.no_grad()
def measure_axes(
    G: Generator, label: Float[Tensor, "1 25"], cfg: PrincipalAxesConfig
) -> PrincipalAxes:
    """Distribution of w at one conditioning camera, from many mapped z.

    The mean camera label of the training data is the camera to take: a style then holds a subject
    and no view of it.
    """
    starts = range(0, cfg.num_samples, BATCH)
    parts = [
        draw_w(G, label, start, min(BATCH, cfg.num_samples - start), cfg.seed) for start in starts
    ]
    return fit_distribution(torch.cat(parts))


def fit_distribution(w: Float[Tensor, "n w_dim"]) -> PrincipalAxes:
    """Gaussian of samples by the eigenvectors of their covariance, in float64."""
    samples = w.double()
    mean = samples.mean(dim=0)
    centered = samples - mean
    covariance = centered.T @ centered / (len(samples) - 1)
    variances, vectors = torch.linalg.eigh(covariance)  # ascending
    axes = orient(vectors.T.flip(0))
    deviations = variances.flip(0).clamp(min=0).sqrt()
    deviations = deviations.clamp(min=max(float(deviations[0]) * SMALLEST_DEVIATION, 1e-12))
    return PrincipalAxes(*(part.to(w) for part in (mean, axes, deviations)))


def orient(directions: Float[Tensor, "k w_dim"]) -> Float[Tensor, "k w_dim"]:
    """The directions with the sign that makes their largest entry positive."""
    largest = directions.abs().argmax(dim=1, keepdim=True)
    return directions * directions.gather(1, largest).sign()
