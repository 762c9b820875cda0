import torch
from torch.testing import assert_close

from mimic3d.losses.density import DensityConfig, density_loss


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_constant_density_costs_nothing_and_a_ramp_its_slope():
    cfg = DensityConfig(weight=2, num_points=20000, distance=0.01)
    flat = density_loss(lambda p: torch.zeros_like(p[..., :1]), 2, 1.0, cfg, rng())
    assert flat == 0
    ramp = density_loss(lambda p: 5 * p[..., :1], 2, 1.0, cfg, rng())
    mean_step = (2 / torch.pi) ** 0.5 * 0.01  # mean absolute value of a normal
    assert_close(ramp.item(), 2 * 5 * mean_step, rtol=0.02, atol=0)


def test_points_fill_the_box_and_stay_inside():
    seen = []

    def density(points):
        seen.append(points)
        return points[..., :1]

    cfg = DensityConfig(num_points=5000, distance=1e-6)
    density_loss(density, 1, 1.6, cfg, rng())
    points = seen[0][0, :5000]
    assert points.abs().max() <= 0.8
    assert (points.amax(0) > 0.79).all()
    assert (points.amin(0) < -0.79).all()
