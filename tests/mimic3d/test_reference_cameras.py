"""Cameras and rays against numbers of the reference, and EG3D's conventions for viewers."""

import math

import pytest
import torch

from mimic3d.cameras import (
    Cameras,
    Scene,
    cameras_from_labels,
    focal_from_fov,
    orbit_cameras,
    pinhole,
)
from mimic3d.rays import Windows, cast_rays


def viewer_angles(horizontal, vertical):
    """Yaw and pitch of the two numbers that EG3D's pose samplers take.

    The first is an azimuth, pi / 2 in front. The second is no angle: the polar angle is
    arccos(1 - 2 v / pi), so that uniform v is uniform on the sphere; larger is lower.
    """
    return horizontal - math.pi / 2, torch.asin(1 - 2 * vertical / math.pi)


def test_a_vertical_step_of_eg3d_is_a_smaller_angle():
    """An offset of 0.25 is an elevation of -0.1598 rad."""
    yaw, pitch = viewer_angles(torch.tensor(math.pi / 2 + 0.3), torch.tensor(math.pi / 2 + 0.25))
    assert yaw.item() == pytest.approx(0.3, abs=1e-6)
    assert pitch.item() == pytest.approx(-0.1598, abs=5e-5)


@pytest.mark.golden
def test_viewer_poses(golden, agree):
    arrays = golden("components/camera")
    found = []
    for h, v, x, y, z, radius in arrays["lookat.args_h_v_pivot_radius"].tolist():
        scene = Scene(radius=radius, orbit_center=(0, 0, 0), pivot=(x, y, z))
        yaw, pitch = viewer_angles(torch.tensor([h]), torch.tensor([v]))
        found.append(orbit_cameras(yaw, pitch, scene).cam2world)
    assert len(found) == 72
    agree(torch.cat(found), arrays["lookat.cam2world"])


@pytest.mark.golden
@pytest.mark.parametrize(("name", "pivot"), [("lookat_std", 0.2), ("gaussian_std", 0.0)])
def test_random_viewer_poses(golden, agree, name, pivot):
    """Normal with means 1.5 and 1.6 and deviations 0.3 and 0.2; one sampler looks at the origin."""
    arrays = golden("components/camera")
    horizontal = 1.5 + 0.3 * arrays["lookat_std.randn_h"][:, 0]
    vertical = 1.6 + 0.2 * arrays["lookat_std.randn_v"][:, 0]
    scene = Scene(radius=2.7, orbit_center=(0, 0, 0), pivot=(0, 0, pivot))
    poses = orbit_cameras(*viewer_angles(horizontal, vertical), scene)
    agree(poses.cam2world, arrays[f"{name}.cam2world"])


@pytest.mark.golden
def test_focal_lengths(golden, agree):
    """The reference's field of view is that of the diagonal, with 1.414 and 3.14159."""
    arrays = golden("components/camera")
    found = []
    for degrees in arrays["fov.deg"].tolist():
        diagonal = math.tan(degrees * 3.14159 / 360)
        found.append(pinhole(focal_from_fov(2 * math.atan(diagonal * 1.414 / 2))))
    agree(torch.cat(found), arrays["fov.intrinsics"])


@pytest.mark.golden
def test_a_camera_anywhere_looks_along_a_direction(golden, agree):
    arrays = golden("components/camera")
    found = []
    for forward, origin in zip(
        arrays["c2w.forward"].tolist(), arrays["c2w.origin"].tolist(), strict=True
    ):
        x, y, z = origin
        pivot = (x + forward[0], y + forward[1], z + forward[2])
        scene = Scene(radius=1, orbit_center=(x, y, z - 1), pivot=pivot)
        found.append(orbit_cameras(torch.zeros(1), torch.zeros(1), scene).cam2world)
    agree(torch.cat(found), arrays["c2w.mat"])


@pytest.mark.golden
@pytest.mark.parametrize("name", ["ffhq", "shapenet"])
def test_rays(golden, agree, name):
    """With a skew and a principal point off the middle."""
    arrays = golden("components/ray_sampler")
    rays = cast_rays(cameras(arrays, name), 8)
    agree(rays.origins, arrays[f"{name}.origins"])
    agree(rays.directions, arrays[f"{name}.dirs"])


@pytest.mark.golden
@pytest.mark.parametrize("scale", ["0.5", "0.125", "0.3"])
@pytest.mark.parametrize("name", ["ffhq", "shapenet"])
def test_rays_of_patches(golden, agree, name, scale):
    arrays = golden("components/ray_sampler")
    patch = f"{name}.patch{scale}"
    top, left = arrays[f"{patch}.top_left"].unbind(1)
    full = int(arrays[f"{patch}.full_resolution"])
    assert full == int(8 / float(scale))
    rays = cast_rays(cameras(arrays, name), full, Windows(top, left, 8))
    agree(rays.origins, arrays[f"{patch}.origins"])
    agree(rays.directions, arrays[f"{patch}.dirs"])


def cameras(arrays, name) -> Cameras:
    return cameras_from_labels(arrays[f"{name}.c"])
