import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.gallery.normals import depth_normals
from mimic3d.rays import cast_rays

SCENE = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))


def camera(yaw=0.0, pitch=0.0):
    return orbit_cameras(torch.tensor([yaw]), torch.tensor([pitch]), SCENE)


def plane_depth(cameras, normal, side=24):
    """Distances along the rays to the plane through the origin."""
    rays = cast_rays(cameras, side)
    normal = torch.tensor(normal)
    distance = -(rays.origins @ normal) / (rays.directions @ normal)
    return distance.reshape(1, 1, side, side)


def sphere_depth(cameras, radius, side=48):
    rays = cast_rays(cameras, side)
    along = -(rays.origins * rays.directions).sum(-1)
    gap = radius**2 - (rays.origins.square().sum(-1) - along**2)
    depth = torch.where(gap > 0, along - gap.clamp(min=0).sqrt(), torch.tensor(3.3))
    return depth.reshape(1, 1, side, side), (gap > 0).reshape(side, side)


@pytest.mark.parametrize(
    ("normal", "seen"),
    [
        ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
        ((0.6, 0.0, 0.8), (0.6, 0.0, 0.8)),
        ((0.0, 0.6, 0.8), (0.0, 0.6, 0.8)),
    ],
)
def test_a_plane_has_one_normal_in_the_axes_of_the_viewer(normal, seen):
    normals = depth_normals(plane_depth(camera(), normal), camera())
    torch.testing.assert_close(
        normals, torch.tensor(seen).reshape(1, 3, 1, 1).expand_as(normals), atol=2e-3, rtol=0
    )


def test_normals_turn_with_the_camera():
    turned = camera(yaw=0.4)
    normals = depth_normals(plane_depth(turned, (0.0, 0.0, 1.0)), turned)
    expected = torch.tensor([-torch.sin(torch.tensor(0.4)), 0.0, torch.cos(torch.tensor(0.4))])
    torch.testing.assert_close(
        normals, expected.reshape(1, 3, 1, 1).expand_as(normals), atol=2e-3, rtol=0
    )


def test_normals_of_a_sphere_point_away_from_its_centre_even_at_its_rim():
    cameras = camera()
    depth, inside = sphere_depth(cameras, 0.25)
    rays = cast_rays(cameras, 48)
    points = rays.origins + depth.reshape(1, -1, 1) * rays.directions
    expected = (points / 0.25).reshape(48, 48, 3)[inside]  # the frontal viewer has world axes
    found = depth_normals(depth, cameras)[0].permute(1, 2, 0)[inside]
    angle = torch.rad2deg(torch.acos((found * expected).sum(-1).clamp(-1, 1)))
    assert angle.median() < 3
    assert angle.max() < 25  # one pixel of the rim spans that much; behind it are 80 degrees
