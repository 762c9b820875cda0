import numpy as np
import pytest
import torch

from mimic3d.cameras import Cameras, position_angles, rotation_angles
from mimic3d.preparation.cameras.deep3d import eg3d_cameras, eg3d_intrinsics, network_cameras


def network_pixels(points, angle, shift):
    """Where the network's renderer draws points: rows times R plus t, z turned round, y upwards."""
    x, y, z = angle
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    local = points @ (about_z @ about_y @ about_x).T + shift
    local[:, 2] = 10 - local[:, 2]
    u, v = 1015 * local[:, 0] / local[:, 2] + 112, 1015 * local[:, 1] / local[:, 2] + 112
    return np.stack([u, 224 - v], axis=1)


def test_the_cameras_draw_what_the_network_draws():
    """Angle (.1, -.35, .05), shift (.03, -.05, .2), focal 1015 and centre 112: equal pixels."""
    points = np.random.default_rng(0).normal(size=(50, 3))
    angle, shift = np.array([0.1, -0.35, 0.05]), np.array([0.03, -0.05, 0.2])
    cam2world = network_cameras(angle[None], shift[None])[0]
    local = (points - cam2world[:3, 3]) @ cam2world[:3, :3]
    ours = 1015 * local[:, :2] / local[:, 2:] + 112
    np.testing.assert_allclose(ours, network_pixels(points, angle, shift), atol=1e-10)


def test_a_label_of_eg3d_differs_by_position_and_by_rotation():
    """Angle (0, .3, 0) without shift: -16.23 deg by position, -17.19 deg by rotation."""
    angles, shifts = np.array([[0, 0.3, 0]]), np.zeros((1, 3))
    raw = 0.27 * network_cameras(angles, shifts)[0, :3, 3] + [0, 0.006, 0.161]
    assert np.linalg.norm(raw) == pytest.approx(2.8542, abs=1e-4)
    cam2world = torch.tensor(eg3d_cameras(angles, shifts)).float()
    cameras = Cameras(cam2world, torch.tensor(eg3d_intrinsics(1)).float())
    yaw, _, radius = position_angles(cameras, (0, 0, 0))
    assert np.degrees(yaw.item()) == pytest.approx(-16.23, abs=0.005)
    assert np.degrees(rotation_angles(cameras)[0].item()) == pytest.approx(-17.19, abs=0.005)
    assert radius.item() == pytest.approx(2.7, abs=1e-6)
