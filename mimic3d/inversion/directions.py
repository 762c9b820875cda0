"""Directions of w without labels: principal directions, and factorisation of the style layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mimic3d.inversion.principal_axes import PrincipalAxes, orient
from mimic3d.networks.generator import Generator
from mimic3d.networks.layers import FullyConnected


@dataclass(frozen=True, eq=False)
class Directions:
    """Orthonormal directions of w, the strongest first."""

    vectors: Float[Tensor, "k w_dim"]
    deviations: Float[Tensor, " k"]
    """Standard deviation of w along each; steps are counted in it."""
    shares: Float[Tensor, " k"]
    """Share of each in what the method orders by; all of w_dim directions together are 1."""

    def __len__(self) -> int:
        return len(self.vectors)


def principal_directions(distribution: PrincipalAxes, num: int) -> Directions:
    """Principal directions of w, ordered by variance (GANSpace, Haerkoenen et al. 2020)."""
    variances = distribution.deviations.square()
    return Directions(
        distribution.axes[:num], distribution.deviations[:num], (variances / variances.sum())[:num]
    )


@torch.no_grad()
def factorized_directions(
    G: Generator, distribution: PrincipalAxes, num: int, layers: range | None = None
) -> Directions:
    """Unit directions that change the styles most (SeFa, Shen and Zhou 2021).

    Eigenvectors of A^T A, the largest eigenvalue first, where the rows of A are the weights of the
    affine layers that the style vectors `layers` enter; None is all. Nothing is sampled but the
    deviation of w along them.
    """
    chosen = range(G.mapping.num_ws) if layers is None else layers
    weights = [affine.weight * affine.weight_gain for k, affine in affines(G) if k in chosen]
    stacked = torch.cat(weights).double()
    values, vectors = torch.linalg.eigh(stacked.T @ stacked)  # ascending
    directions = orient(vectors.T.flip(0))[:num].to(distribution.mean)
    shares = (values.flip(0) / values.sum())[:num].to(distribution.mean)
    return Directions(directions, distribution.deviation_along(directions), shares)


def affines(G: Generator) -> Iterator[tuple[int, FullyConnected]]:
    """Affine layers of the 3D branch, each with the number of the style vector that it sees.

    Layers of the backbone of `SynthesisBackbone`, of the side pyramid (`SidePyramid`) and of the
    detail planes; the super-resolution of the 2D branch is left out.
    """
    yield 0, G.backbone.first.conv1.affine
    yield 1, G.backbone.first.torgb.affine
    for k, block in enumerate(G.backbone.blocks, start=1):
        yield from ((2 * k - 1 + place, affine) for place, affine in enumerate(_affines(block)))
    if G.pyramid is not None:
        for k, block in enumerate(G.pyramid.blocks):
            yield from ((2 * k + 1, affine) for affine in _affines(block))
    if G.detail is not None:
        for block in (G.detail.block2, G.detail.block3):
            yield from ((G.mapping.num_ws - 1, affine) for affine in _affines(block))


def _affines(block: nn.Module) -> list[FullyConnected]:
    """Affine layers of both convolutions and of the image of a block."""
    layers = [block.get_submodule(f"{name}.affine") for name in ("conv0", "conv1", "torgb")]
    return [cast("FullyConnected", layer) for layer in layers]
