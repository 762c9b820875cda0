import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.cameras import Scene, orbit_cameras, position_angles, rotation_angles
from mimic3d.inversion.view_parameters import cameras_from_parameters

angle = st.floats(-1.0, 1.0)


@given(yaw=angle, pitch=angle)
def test_without_roll_and_offset_it_is_the_orbit(yaw, pitch):
    cameras = cameras_from_parameters(torch.tensor([[yaw, pitch, 0, 0, 0, 0]]), Scene())
    expected = orbit_cameras(torch.tensor([yaw]), torch.tensor([pitch]), Scene())
    assert_close(cameras.cam2world, expected.cam2world)
    assert torch.equal(cameras.intrinsics, expected.intrinsics)


@given(yaw=angle, pitch=angle, roll=angle)
def test_a_roll_turns_the_camera_about_its_axis_alone(yaw, pitch, roll):
    parameters = torch.tensor([[yaw, pitch, 0, 0, 0, 0], [yaw, pitch, roll, 0, 0, 0]])
    upright, rolled = cameras_from_parameters(parameters, Scene()).cam2world
    assert_close(rolled[:, 2:], upright[:, 2:])  # optical axis and position
    cosine = (rolled[:3, 0] @ upright[:3, 0]).clamp(-1, 1)
    assert math.isclose(float(cosine), math.cos(roll), abs_tol=1e-5)
    assert_close(rolled[:3, :3] @ rolled[:3, :3].T, torch.eye(3), atol=1e-5, rtol=0)


def test_an_offset_moves_along_the_cameras_own_axes():
    parameters = torch.tensor([[0.4, 0.1, 0.2, 0.1, -0.2, 0.3]])
    moved = cameras_from_parameters(parameters, Scene())
    still = cameras_from_parameters(parameters * torch.tensor([1.0, 1, 1, 0, 0, 0]), Scene())
    local = moved.cam2world[0, :3, :3].T @ (moved.centers - still.centers)[0]
    assert_close(local, torch.tensor([0.1, -0.2, 0.3]), atol=1e-5, rtol=0)
    assert_close(moved.cam2world[:, :3, :3], still.cam2world[:, :3, :3])


def test_angles_and_gradients():
    parameters = torch.tensor([[0.3, -0.2, 0.1, 0.0, 0.0, 0.0]], requires_grad=True)
    cameras = cameras_from_parameters(parameters, Scene())
    yaw, pitch, _ = position_angles(cameras, Scene().orbit_center)
    assert_close(torch.stack([yaw[0], pitch[0]]), torch.tensor([0.3, -0.2]))
    assert abs(rotation_angles(cameras)[2][0].detach().abs() - 0.1) < 1e-4
    cameras.cam2world[0, :3].sum().backward()
    assert bool((parameters.grad != 0).all())
