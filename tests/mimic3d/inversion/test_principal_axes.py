import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.inversion.principal_axes import (
    PrincipalAxesConfig,
    draw_w,
    fit_distribution,
    measure_axes,
)

CFG = PrincipalAxesConfig(num_samples=3000, seed=3)


def gaussian(num=20000):
    """Samples of a known Gaussian: deviations 3, 1, 0.5 along a rotated frame."""
    rng = torch.Generator().manual_seed(0)
    frame, _ = torch.linalg.qr(torch.randn((3, 3), generator=rng))
    mean = torch.tensor([1.0, -2.0, 0.5])
    scaled = torch.randn((num, 3), generator=rng) * torch.tensor([3.0, 1.0, 0.5])
    return scaled @ frame.T + mean, mean, frame.T


def test_a_known_gaussian_is_recovered():
    samples, mean, axes = gaussian()
    fitted = fit_distribution(samples)
    assert_close(fitted.mean, mean, atol=0.06, rtol=0)
    assert_close(fitted.deviations, torch.tensor([3.0, 1.0, 0.5]), atol=0, rtol=0.03)
    assert ((fitted.axes @ axes.T).diagonal().abs() > 0.999).all()


def test_axes_are_orthonormal_and_ordered_by_variance(G, label):
    fitted = measure_axes(G, label, CFG)
    assert_close(fitted.axes @ fitted.axes.T, torch.eye(8), atol=1e-5, rtol=0)
    assert (fitted.deviations.diff() <= 0).all()
    w = draw_w(G, label, 0, 3000, seed=11)
    spread = ((w - w.mean(dim=0)) @ fitted.axes.T).std(dim=0)  # of other samples
    assert_close(spread, fitted.deviations, atol=0, rtol=0.15)


def test_whitened_samples_have_mean_0_and_covariance_1(G, label):
    fitted = measure_axes(G, label, CFG)
    whitened = fitted.whiten(draw_w(G, label, 0, 4000, seed=5))
    assert_close(whitened.mean(dim=0), torch.zeros(8), atol=0.1, rtol=0)
    assert_close(whitened.T.cov(), torch.eye(8), atol=0.15, rtol=0)


@given(seed=st.integers(0, 2**31))
def test_unwhiten_is_the_inverse_of_whiten(seed):
    fitted = fit_distribution(gaussian(500)[0])
    w = torch.randn((4, 2, 3), generator=torch.Generator().manual_seed(seed))
    assert_close(fitted.unwhiten(fitted.whiten(w)), w, atol=1e-4, rtol=1e-4)


def test_the_deviation_along_a_direction_is_that_of_projected_samples():
    samples, _, _ = gaussian()
    fitted = fit_distribution(samples)
    directions = torch.nn.functional.normalize(torch.tensor([[1.0, 2.0, 3.0], [1, 0, 0]]), dim=1)
    projected = (samples @ directions.T).std(dim=0)
    assert_close(fitted.deviation_along(directions), projected, atol=0, rtol=1e-3)


def test_axes_without_variance_do_not_divide_by_zero():
    samples, _, _ = gaussian(100)
    flat = torch.cat([samples, torch.ones(100, 1)], dim=1)
    whitened = fit_distribution(flat).whiten(flat)
    assert torch.isfinite(whitened).all()
    assert whitened[:, 3].abs().max() < 1e-2


def test_samples_depend_on_the_seed_alone(G, label):
    assert torch.equal(draw_w(G, label, 0, 5, 1), draw_w(G, label, 0, 5, 1))
    assert not torch.equal(draw_w(G, label, 0, 5, 1), draw_w(G, label, 0, 5, 2))
    assert not torch.equal(draw_w(G, label, 0, 5, 1), draw_w(G, label, 5, 5, 1))
