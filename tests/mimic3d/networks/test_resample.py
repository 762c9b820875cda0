import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.networks.resample import (
    build_fir,
    downsample_2d,
    filter_2d,
    gaussian_blur,
    resize,
    upsample_2d,
)


@given(st.floats(0, 0.33))
def test_a_blur_below_a_third_of_a_pixel_is_none(sigma):
    x = torch.rand(1, 2, 5, 5)
    assert gaussian_blur(x, sigma) is x


def test_constants_survive_away_from_the_border():
    ones = torch.ones(1, 2, 16, 16)
    for y in (
        upsample_2d(ones, build_fir(4)),
        downsample_2d(ones, build_fir(1)),
        gaussian_blur(ones, 0.7),
        resize(ones, 8),
    ):
        assert_close(y[..., 2:-2, 2:-2], torch.ones_like(y)[..., 2:-2, 2:-2])


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31))
def test_up_and_down_are_adjoint(seed):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 2, 6, 6, generator=rng, dtype=torch.float64)
    y = torch.randn(1, 2, 12, 12, generator=rng, dtype=torch.float64)
    up, down = upsample_2d(x, build_fir(4)), downsample_2d(y, build_fir(1))
    assert_close((up * y).sum(), 4 * (x * down).sum())


def test_filter_is_a_plain_sum_over_neighbours():
    x, fir = torch.randn(1, 3, 7, 9, dtype=torch.float64), build_fir(1).double()
    padded = torch.nn.functional.pad(x, [1] * 4)
    slow = torch.zeros(1, 3, 6, 8, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            slow += fir[i, j] * padded[:, :, i : i + 6, j : j + 8]
    assert_close(filter_2d(x, fir, padding=1), slow)


@pytest.mark.parametrize("function", [upsample_2d, downsample_2d])
def test_second_derivatives_exist(function):
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    fir = build_fir(1).double()
    assert torch.autograd.gradgradcheck(lambda x: function(x, fir).square(), x)
    assert torch.autograd.gradgradcheck(lambda x: resize(x, 4).square(), x)


@pytest.mark.parametrize("function", [upsample_2d, downsample_2d])
def test_mirroring_commutes_with_resampling(function):
    x, fir = torch.randn(1, 2, 8, 8), build_fir(1)
    assert_close(function(x.flip(-1), fir), function(x, fir).flip(-1))
    assert_close(function(x.mT, fir), function(x, fir).mT)
