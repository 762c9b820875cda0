import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.cameras import (
    Cameras,
    Scene,
    cameras_from_labels,
    focal_from_fov,
    mirror_cameras,
    orbit_cameras,
    pinhole,
    position_angles,
    project,
    rotation_angles,
)

ANGLE = st.floats(-0.8, 0.8)
ORIGIN = Scene(orbit_center=(0, 0, 0), pivot=(0, 0, 0.2))

# An FFHQ label as published with EG3D (image 00023, quoted in its issue 65).
FFHQ_00023 = [
    [0.9999417662620544, 0.010793998837471008, 0.00011557899415493011, 0.0015220991844047327],
    [0.010792133398354053, -0.9998840093612671, 0.01074833795428276, -0.012054688543150803],
    [0.0002315831370651722, -0.010746465064585209, -0.9999422430992126, 2.699972660546436],
    [0, 0, 0, 1],
]
# A label with three decimals (EG3D, issue 56).
ISSUE_56 = [
    [0.992, 0.014, -0.125, 0.317],
    [-0.004, -0.989, -0.145, 0.388],
    [-0.125, 0.144, -0.982, 2.653],
    [0, 0, 0, 1],
]


def camera(cam2world: list, focal: float = 4.2647) -> Cameras:
    return Cameras(torch.tensor(cam2world)[None].float(), pinhole(focal))


def orbit(yaw: float, pitch: float, scene: Scene = ORIGIN) -> Cameras:
    return orbit_cameras(torch.tensor([float(yaw)]), torch.tensor([float(pitch)]), scene)


def axis_distance(cameras: Cameras, point: tuple) -> float:
    """How far the optical axis passes by a point."""
    offset = torch.tensor(point) - cameras.centers[0]
    forward = cameras.cam2world[0, :3, 2]
    return torch.linalg.cross(offset, forward / forward.norm()).norm().item()


def test_a_published_label_is_a_camera_that_looks_almost_at_the_origin():
    c = camera(FFHQ_00023)
    assert torch.linalg.det(c.cam2world[0, :3, :3].double()).item() == pytest.approx(1, abs=1e-6)
    assert c.centers.norm().item() == pytest.approx(2.7, abs=1e-4)
    assert_close(c.cam2world[0, :3, 2], torch.tensor([0, 0.011, -1]), atol=3e-4, rtol=0)
    cosine = -c.cam2world[0, :3, 2].double() @ c.centers[0].double() / c.centers.norm().double()
    assert math.degrees(math.acos(cosine)) == pytest.approx(0.362, abs=2e-3)
    assert axis_distance(c, (0, 0, 0)) == pytest.approx(0.0171, abs=1e-4)


def test_yaw_by_position_and_by_rotation_differ_for_a_published_label():
    c = camera(ISSUE_56)
    yaw, pitch, _ = position_angles(c, (0, 0, 0))
    assert math.degrees(yaw) == pytest.approx(6.81, abs=0.01)
    assert math.degrees(pitch) == pytest.approx(8.26, abs=0.01)
    yaw, pitch, _ = rotation_angles(c)
    assert math.degrees(yaw) == pytest.approx(7.25, abs=0.01)
    assert math.degrees(pitch) == pytest.approx(8.33, abs=0.02)
    assert axis_distance(c, (0, 0, 0)) == pytest.approx(0.0208, abs=2e-4)
    assert axis_distance(c, (0, 0, 0.2)) == pytest.approx(0.0259, abs=2e-4)


def test_the_frontal_camera():
    c = orbit(0, 0)
    assert_close(c.cam2world[0, :3, :3], torch.diag(torch.tensor([1.0, -1, -1])))
    assert_close(c.centers[0], torch.tensor([0, 0, 2.7]))


def test_orbit_0_3_rad_with_a_pivot_off_the_centre():
    c = orbit(0.3, 0)
    assert_close(c.centers[0], torch.tensor([0.798, 0, 2.579]), atol=5e-4, rtol=0)
    assert_close(c.cam2world[0, :3, 0], torch.tensor([0.948, 0, -0.318]), atol=5e-4, rtol=0)
    away = (c.centers[0] - torch.tensor([0, 0, 0.2])).norm().item()
    assert away == pytest.approx(2.5096, abs=1e-4)


def test_default_scene_turns_about_its_own_pivot():
    for yaw, pitch in ((0, 0), (0.5, -0.2)):
        c = orbit(yaw, pitch, Scene())
        assert (c.centers[0] - torch.tensor([0, 0, 0.2])).norm().item() == pytest.approx(2.7)
        assert axis_distance(c, (0, 0, 0.2)) < 1e-6


def test_focal_of_a_field_of_view():
    assert focal_from_fov(math.radians(13.3738)) == pytest.approx(4.2647, abs=1e-4)


@settings(deadline=None, max_examples=30)
@given(yaw=ANGLE, pitch=st.floats(-0.5, 0.5))
def test_angles_of_an_orbit_come_back(yaw, pitch):
    scene = Scene()
    c = orbit(yaw, pitch, scene)
    for found in (position_angles(c, scene.orbit_center), rotation_angles(c)):
        assert found[0].item() == pytest.approx(yaw, abs=2e-5)
        assert found[1].item() == pytest.approx(pitch, abs=2e-4)  # asin is flat near its ends
    assert rotation_angles(c)[2].item() == pytest.approx(0, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(yaw=ANGLE, pitch=ANGLE)
def test_labels_hold_all_of_a_camera(yaw, pitch):
    c = orbit(yaw, pitch)
    label = c.labels()
    assert label.shape == (1, 25)
    assert_close(label[0, :16].reshape(4, 4), c.cam2world[0])
    assert_close(label[0, 16:].reshape(3, 3), c.intrinsics[0])
    assert_close(cameras_from_labels(label).labels(), label, rtol=0, atol=0)


@settings(deadline=None, max_examples=30)
@given(yaw=ANGLE, pitch=ANGLE, cx=st.floats(0.4, 0.6), skew=st.floats(-0.05, 0.05))
def test_a_mirrored_camera_sees_the_mirrored_point_at_the_mirrored_pixel(yaw, pitch, cx, skew):
    c = orbit(yaw, pitch)
    c.intrinsics[0, 0, 1:] = torch.tensor([skew, cx])
    points = torch.randn(1, 20, 3) * 0.3
    pixels, depth = project(points, c)
    mirrored = mirror_cameras(c)
    seen, depth_seen = project(points * torch.tensor([-1.0, 1, 1]), mirrored)
    assert_close(seen[..., 0], 1 - pixels[..., 0], atol=1e-5, rtol=0)
    assert_close(seen[..., 1], pixels[..., 1], atol=1e-5, rtol=0)
    assert_close(depth_seen, depth)
    assert torch.linalg.det(mirrored.cam2world[0, :3, :3]).item() == pytest.approx(1, abs=1e-5)
    assert_close(mirror_cameras(mirrored).labels(), c.labels(), atol=1e-6, rtol=0)


def test_leaving_the_intrinsics_alone_when_mirroring_is_wrong_by_six_percent():
    c = orbit(0.2, 0.1)
    c.intrinsics[0, 0, 1:] = torch.tensor([0.03, 0.47])
    points = torch.zeros(1, 1, 3)
    points[0, 0] = c.centers[0] + c.cam2world[0, :3, :3] @ torch.tensor([0.2, -0.1, 2.7])
    right = mirror_cameras(c)
    wrong = Cameras(right.cam2world, c.intrinsics)
    flipped = points * torch.tensor([-1.0, 1, 1])
    error = (project(flipped, right)[0] - project(flipped, wrong)[0])[0, 0, 0].abs().item()
    # 1 - 2 cx = 0.06 by the principal point, the rest -2 skew y / z by the skew
    assert error == pytest.approx(0.06 + 2 * 0.03 * 0.1 / 2.7, abs=1e-5)


def test_near_must_be_before_far():
    with pytest.raises(ValueError, match="near must be smaller than far"):
        Scene(near=3.4, far=3.3)
