import pytest
import torch
from torch.testing import assert_close

from mimic3d.losses.density import DensityConfig, density_loss, draw_points


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_constant_density_costs_nothing_and_a_ramp_its_slope():
    cfg = DensityConfig(weight=2, num_points=20000, distance=0.01)
    points = draw_points(2, 1.0, cfg, rng())
    assert density_loss(lambda p: torch.zeros_like(p[..., :1]), *points, cfg) == 0
    ramp = density_loss(lambda p: 5 * p[..., :1], *points, cfg)
    mean_step = (2 / torch.pi) ** 0.5 * 0.01  # mean absolute value of a normal
    assert_close(ramp.item(), 2 * 5 * mean_step, rtol=0.02, atol=0)


@pytest.mark.parametrize(("legacy", "half"), [(False, 0.8), (True, 1.0)])
def test_points_fill_the_box_and_stay_inside(legacy, half):
    cfg = DensityConfig(num_points=5000, distance=1e-6)
    points, neighbours = draw_points(1, 1.6, cfg, rng(), legacy)
    assert_close(points, neighbours, atol=1e-5, rtol=0)
    assert points.abs().max() <= half
    assert (points.amax(dim=1) > half - 0.01).all()
    assert (points.amin(dim=1) < 0.01 - half).all()
