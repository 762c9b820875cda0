import pytest
import torch

from mimic3d.cameras import Scene, position_angles
from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.paths import (
    epi_path,
    interpolate_styles,
    interpolation_path,
    orbit_path,
    strip_path,
)


def test_the_path_of_the_video_is_closed_and_within_its_limits():
    cfg = GalleryConfig(num_frames=64, yaw_rad=0.4, pitch_rad=0.1)
    scene = Scene()
    yaw, pitch, radius = position_angles(orbit_path(cfg, 0.05, scene), scene.orbit_center)
    assert yaw.abs().max() == pytest.approx(0.4, abs=1e-3)
    assert pitch.min() == pytest.approx(-0.05, abs=1e-3)
    assert pitch.max() == pytest.approx(0.15, abs=1e-3)
    torch.testing.assert_close(radius, torch.full_like(radius, scene.radius))
    assert (yaw[0] - yaw[-1]).abs() < 2 * yaw.diff().abs().max()  # the last frame meets the first


def test_the_strip_and_the_epipolar_sweep_go_the_same_way():
    cfg = GalleryConfig(strip_views=3, epi_views=5, yaw_rad=0.4)
    scene = Scene()
    for path, expected in (
        (strip_path(cfg, 0.1, scene), [-0.4, 0, 0.4]),
        (epi_path(cfg, 0.1, scene), [-0.4, -0.2, 0, 0.2, 0.4]),
    ):
        yaw, pitch, _ = position_angles(path, scene.orbit_center)
        assert yaw.tolist() == pytest.approx(expected, abs=1e-5)
        assert pitch.tolist() == pytest.approx([0.1] * len(expected), abs=1e-5)


def test_the_interpolation_passes_through_its_stops_and_closes():
    stops = torch.randn(5, 2, 8)
    way = interpolate_styles(stops, frames_per_stop=12)
    assert way.shape == (60, 2, 8)
    torch.testing.assert_close(way[::12], stops)
    steps = (way.roll(-1, dims=0) - way).flatten(1).norm(dim=1)  # the last one leads to the first
    assert steps.max() < 3 * steps.mean()
    bends = (way.roll(-1, dims=0) - 2 * way + way.roll(1, dims=0)).flatten(1).norm(dim=1)
    assert bends.max() < 0.5 * steps.mean()  # no kink, neither at a stop nor where it closes


def test_an_interpolation_between_two_objects_goes_straight_there_and_back():
    stops = torch.tensor([0.0, 1.0]).reshape(2, 1, 1)
    way = interpolate_styles(stops, frames_per_stop=4)[:, 0, 0]
    assert way.tolist() == pytest.approx([0, 0.15625, 0.5, 0.84375, 1, 0.84375, 0.5, 0.15625])


@pytest.mark.parametrize("num", [2, 3, 4])
def test_the_camera_of_the_interpolation_comes_back(num):
    cfg = GalleryConfig(interpolation_stops=num, interpolation_frames=20, yaw_rad=0.3)
    yaw, _, _ = position_angles(interpolation_path(cfg, 0.0, Scene()), Scene().orbit_center)
    assert len(yaw) == num * 20
    assert (yaw[0] - yaw[-1]).abs() <= yaw.diff().abs().max() * 1.01
    assert yaw.abs().max() == pytest.approx(0.3, abs=2e-3)
