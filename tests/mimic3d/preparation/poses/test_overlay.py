import numpy as np
import pytest

from mimic3d.preparation.pose import PoseResult
from mimic3d.preparation.poses.lookat import Orbit, look_at
from mimic3d.preparation.poses.overlay import draw_overlay

ORBIT = Orbit()
GREY = np.full((64, 64, 3), 128, np.uint8)
SIDE = 256


def pose_of(yaw, pitch, landmarks=None):
    camera = look_at(np.array([[yaw, pitch]], float), ORBIT)[0].astype(np.float32)
    crop = (10.0, 20.0, 110.0, 20.0, 110.0, 120.0, 10.0, 120.0)
    points = None if landmarks is None else np.array(landmarks, np.float32)
    return PoseResult(camera, ORBIT.intrinsics().astype(np.float32), crop, 1.0, 0.0, points)


def draw(pose):
    return np.asarray(draw_overlay(GREY, pose, ORBIT.pivot, SIDE)).astype(int)


def middle_of(mask):
    return np.argwhere(mask).mean(axis=0)[::-1] / SIDE - 0.5  # x right, y down


def test_axes_point_where_the_camera_sees_them():
    """x to the right of a frontal view, y up, z towards the viewer and aside as the head turns."""
    picture = draw(pose_of(0.5, 0.0))
    red, green, blue = (
        (picture[..., channel] > picture[..., others].max(axis=-1) + 40)
        for channel, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1]))
    )
    length = 0.12 * ORBIT.focal / ORBIT.radius
    assert middle_of(red) == pytest.approx([np.cos(0.5) * length / 2, 0], abs=0.02)
    assert middle_of(green) == pytest.approx([0, -length / 2], abs=0.02)
    assert middle_of(blue) == pytest.approx([-np.sin(0.5) * length / 2, 0], abs=0.02)


def test_landmarks_are_drawn_in_their_places_in_the_crop():
    picture = draw(pose_of(0, 0, landmarks=[[35, 45], [85, 95]]))
    yellow = (picture[..., 0] > 200) & (picture[..., 1] > 180) & (picture[..., 2] < 100)
    assert middle_of(yellow) == pytest.approx([0, 0], abs=0.01)
    rows, columns = np.nonzero(yellow)
    assert rows.min() / SIDE == pytest.approx(0.25, abs=0.02)
    assert columns.max() / SIDE == pytest.approx(0.75, abs=0.02)
    assert picture.shape == (SIDE, SIDE, 3)


def test_without_landmarks_only_axes_are_drawn():
    picture = draw(pose_of(0, 0))
    assert (picture[: SIDE // 4] == 128).all()
    assert (picture != 128).any()
