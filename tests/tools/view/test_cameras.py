import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mimic3d.cameras import Scene, cameras_from_labels
from tools.view.cameras import average_angles, camera_settings, orbit_camera, view_camera
from tools.view.settings import ViewSettings

SCENES = (Scene(), Scene(orbit_center=(0, 0, 0)), Scene(orbit_center=(0.1, 0, 0), radius=1.5))


@given(
    yaw=st.floats(-3, 3), pitch=st.floats(-1.4, 1.4), distance=st.floats(0.3, 5),
    shift=st.tuples(*[st.floats(-1, 1)] * 3), scene=st.sampled_from(SCENES),
)  # fmt: skip
def test_settings_of_a_placed_camera_are_those_it_was_placed_by(yaw, pitch, distance, shift, scene):
    settings = ViewSettings(yaw_rad=yaw, pitch_rad=pitch, distance=distance, shift=shift)
    camera = orbit_camera(settings, scene)
    look_at = [pivot + step for pivot, step in zip(scene.pivot, shift, strict=True)]
    again = ViewSettings(
        **camera_settings(tuple(camera.centers[0].tolist()), tuple(look_at), scene)
    )
    for name in ("yaw_rad", "pitch_rad", "distance", "shift"):
        assert getattr(again, name) == pytest.approx(getattr(settings, name), abs=5e-3), name


def test_a_camera_anywhere_gives_settings_that_are_allowed():
    for position in ((0, 0, 0.2), (0, 9, 0.2), (0, -1e9, 0), (1e-9, 0, 0.2), (-1e-4, 0, -4.0)):
        ViewSettings(**camera_settings(tuple(map(float, position)), (0.0, 0.0, 0.2), Scene()))


def test_distance_and_field_of_view_are_those_asked_for():
    settings, scene = ViewSettings(yaw_rad=0.7, distance=2.0, fov_deg=60.0), Scene()
    camera = orbit_camera(settings, scene)
    offset = camera.centers[0] - torch.tensor(scene.pivot)
    torch.testing.assert_close(offset.norm(), torch.tensor(2 * scene.radius))
    half_width = math.tan(math.radians(30))
    torch.testing.assert_close(camera.intrinsics[0, 0, 0], torch.tensor(0.5 / half_width))


def test_the_average_camera_is_the_mean_label(subject):
    angles = average_angles(subject)
    assert (angles["yaw_rad"], angles["pitch_rad"]) == pytest.approx((0.1, 0.0), abs=1e-3)


def test_the_camera_of_an_image_is_that_of_the_dataset(subject):
    labels = torch.cat([subject.average_label, subject.average_label.flip(1)])
    subject.dataset_labels = lambda: labels
    camera = view_camera(ViewSettings(image=1), subject)
    torch.testing.assert_close(camera.labels(), cameras_from_labels(labels[1:]).labels())
    with pytest.raises(ValueError, match="images 0 to 1, asked was the camera of 7"):
        view_camera(ViewSettings(image=7), subject)
