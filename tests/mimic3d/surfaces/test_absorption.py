import math

import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.rays import cast_rays
from mimic3d.surfaces.absorption import median_depth, quantile_depths

NEAR, FAR = 2.25, 3.3


@pytest.fixture
def rays():
    return cast_rays(orbit_cameras(torch.tensor([0.2]), torch.tensor([0.1]), Scene()), 6)


def test_a_wall_is_where_it_begins(rays):
    def wall(points):
        return 5000.0 * (points[:, 2] < 0.13)

    expected = (0.13 - rays.origins[..., 2]) / rays.directions[..., 2]
    depth = median_depth(wall, rays, NEAR, FAR)
    torch.testing.assert_close(depth, expected, atol=3.5e-3, rtol=0)  # a fine step


def test_an_even_haze_absorbs_by_the_exponential_law(rays):
    density = 3.0

    def haze(points):
        return torch.full((len(points),), density)

    depths = quantile_depths(haze, rays, NEAR, FAR, (0.25, 0.5, 0.9))
    alpha = 1 - math.exp(-density * (FAR - NEAR))
    for k, quantile in enumerate((0.25, 0.5, 0.9)):
        expected = NEAR - math.log(1 - quantile * alpha) / density
        assert depths[..., k].numpy() == pytest.approx(expected, abs=1e-3)
    half = median_depth(haze, rays, NEAR, FAR)
    assert half.numpy() == pytest.approx(NEAR + math.log(2) / density, abs=1e-3)


def test_a_ray_that_loses_less_than_half_of_its_light_has_no_median(rays):
    def thin(points):
        return torch.full((len(points),), 0.5 * math.log(2) / (FAR - NEAR))

    assert median_depth(thin, rays, NEAR, FAR).isinf().all()
    assert quantile_depths(thin, rays, NEAR, FAR, (0.5,)).isfinite().all()


def test_rays_in_pieces_have_the_same_depths(rays, monkeypatch):
    def slope(points):
        return (2 + 4 * points[:, 0]).clamp(min=0)

    whole = median_depth(slope, rays, NEAR, FAR)
    monkeypatch.setattr("mimic3d.surfaces.absorption.CHUNK_RAYS", 5)
    torch.testing.assert_close(median_depth(slope, rays, NEAR, FAR), whole)
