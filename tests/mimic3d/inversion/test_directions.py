import pytest
import torch
from einops import repeat
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.testing import assert_close

from mimic3d.inversion.directions import affines, factorized_directions, principal_directions
from mimic3d.inversion.principal_axes import PrincipalAxesConfig, measure_axes
from mimic3d.networks.layers import FullyConnected


@pytest.fixture
def distribution(G, label):
    return measure_axes(G, label, PrincipalAxesConfig(num_samples=2000))


def test_every_affine_layer_sees_the_style_vector_it_is_listed_with(G):
    """Hooks on the layers: a style whose vectors are their own numbers tells which one comes."""
    ws = repeat(torch.arange(G.mapping.num_ws).float(), "l -> 1 l w_dim", w_dim=8)
    received = {}
    for name, module in G.named_modules():
        if isinstance(module, FullyConnected) and name.endswith("affine"):
            module.register_forward_hook(
                lambda module, inputs, _: received.update({module: int(inputs[0][0, 0])})
            )
    G.synthesize_planes(ws, detail=True, noise="none")
    assert {module: k for k, module in affines(G)} == received


def test_principal_directions_are_orthonormal_and_ordered_by_variance(distribution):
    directions = principal_directions(distribution, 5)
    assert_close(directions.vectors @ directions.vectors.T, torch.eye(5), atol=1e-5, rtol=0)
    assert (directions.deviations.diff() <= 0).all()
    assert_close(principal_directions(distribution, 8).shares.sum(), torch.tensor(1.0))


def style_change(G, direction, layers):
    """Sum over layers of the squared change of styles when w moves by a unit direction."""
    zero = torch.zeros_like(direction)[None]
    return sum(
        float((affine(direction[None]) - affine(zero)).square().sum())
        for k, affine in affines(G)
        if k in layers
    )


@pytest.mark.parametrize("layers", [None, range(0, 2), range(3, 4)])
def test_factorized_directions_change_the_styles_most(G, distribution, layers):
    chosen = range(G.mapping.num_ws) if layers is None else layers
    directions = factorized_directions(G, distribution, 8, layers)
    assert_close(directions.vectors @ directions.vectors.T, torch.eye(8), atol=1e-5, rtol=0)
    changes = [style_change(G, vector, chosen) for vector in directions.vectors]
    assert changes == sorted(changes, reverse=True)
    assert_close(directions.shares, torch.tensor(changes) / sum(changes), atol=1e-4, rtol=1e-3)
    rng = torch.Generator().manual_seed(0)
    for other in F.normalize(torch.randn((30, 8), generator=rng), dim=1):
        assert style_change(G, other, chosen) < changes[0]
        rest = F.normalize(other - directions.vectors[0] * (other @ directions.vectors[0]), dim=0)
        assert style_change(G, rest, chosen) <= changes[1] * (1 + 1e-5)


@given(num=st.integers(1, 8))
def test_fewer_directions_are_the_first_of_all(num):
    from mimic3d.inversion.principal_axes import fit_distribution

    samples = torch.randn((50, 8), generator=torch.Generator().manual_seed(0))
    whole = principal_directions(fit_distribution(samples), 8)
    part = principal_directions(fit_distribution(samples), num)
    assert len(part) == num
    assert torch.equal(part.vectors, whole.vectors[:num])
