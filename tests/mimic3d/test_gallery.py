import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, position_angles
from mimic3d.gallery import (
    GalleryConfig,
    color_depth,
    compare_branches,
    compare_orbit,
    depth_limits,
    image_grid,
    load_video_writer,
    orbit_path,
    save_png,
    save_video,
    strip_path,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.superresolution import SuperResolutionConfig
from mimic3d.networks.synthesis import BackboneConfig
from mimic3d.rendering.renderer import RenderingConfig

CFG = GalleryConfig(num_frames=4, strip_views=3)


@pytest.fixture
def generator():
    cfg = GeneratorConfig(
        image_resolution=16, neural_rendering_resolution=8, plane_resolution=8, plane_channels=4,
        feature_channels=4, z_dim=8, w_dim=8, backbone=BackboneConfig(channel_max=8),
        superresolution=SuperResolutionConfig(channels=4), detail=True,
        rendering=RenderingConfig(depth_resolution=4, depth_resolution_importance=4),
    )  # fmt: skip
    return Generator(cfg, Scene()).eval().requires_grad_(False)


def test_grid_puts_images_row_by_row_and_fills_up_with_black():
    values = torch.linspace(-1, 1, 5)
    grid = np.asarray(image_grid(values.reshape(5, 1, 1, 1).expand(5, 3, 2, 4), columns=3))
    assert grid.shape == (4, 12, 3)
    assert grid[::2, ::4, 0].tolist() == [[0, 64, 128], [191, 255, 0]]


def test_depth_colours_rise_in_lightness_towards_the_viewer():
    depth = torch.linspace(2.0, 3.0, 33).reshape(1, 1, 1, 33)
    colors = color_depth(depth, near=2.0, far=3.0)
    luma = (colors[0, :, 0] / 2 + 0.5).T @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert (luma.diff() < 0).all()
    outside = color_depth(torch.tensor([1.0, 9.0]).reshape(1, 1, 1, 2), near=2.0, far=3.0)
    torch.testing.assert_close(outside[..., 0], colors[..., 0])
    torch.testing.assert_close(outside[..., 1], colors[..., -1])


def test_a_flat_depth_map_has_a_colour():
    assert color_depth(torch.full((1, 1, 2, 2), 2.5), near=2.5, far=2.5).isfinite().all()


def test_depth_limits_ignore_what_is_empty():
    depth, alpha = torch.full((1, 1, 8, 8), 3.3), torch.zeros(1, 1, 8, 8)
    assert depth_limits(depth, alpha) == pytest.approx((3.3, 3.3))
    depth[..., :4] = torch.linspace(2.5, 2.7, 4)
    alpha[..., :4] = 1
    assert depth_limits(depth, alpha) == pytest.approx((2.5, 2.7))


def test_one_object_per_camera_equals_one_by_one(generator):
    cameras = strip_path(CFG, 0.0, generator.scene)
    ws = generator.mapping(torch.randn(3, 8), cameras.labels())
    all_at_once = compare_branches(generator, ws, cameras, batch=8)
    in_batches = compare_branches(generator, ws, cameras, batch=2)
    torch.testing.assert_close(all_at_once.branch_2d, in_batches.branch_2d)
    torch.testing.assert_close(all_at_once.branch_3d, in_batches.branch_3d)
    assert all_at_once.side_by_side().shape == (3, 3, 16, 48)
    assert all_at_once.stacked().shape == (3, 3, 48, 16)


def test_an_orbit_shows_one_object(generator):
    cameras = strip_path(CFG, 0.0, generator.scene)
    ws = generator.mapping(torch.randn(1, 8), cameras.labels()[:1])
    orbit = compare_orbit(generator, ws, cameras, batch=2)
    expected = compare_branches(generator, ws.expand(3, -1, -1), cameras, batch=2)
    torch.testing.assert_close(orbit.branch_2d, expected.branch_2d)
    torch.testing.assert_close(orbit.branch_3d, expected.branch_3d)
    torch.testing.assert_close(orbit.depth, expected.depth, atol=1e-3, rtol=0)


def test_the_path_of_the_video_is_closed_and_within_its_limits():
    cfg = GalleryConfig(num_frames=64, yaw_rad=0.4, pitch_rad=0.1)
    scene = Scene()
    yaw, pitch, radius = position_angles(orbit_path(cfg, 0.05, scene), scene.orbit_center)
    assert yaw.abs().max() == pytest.approx(0.4, abs=1e-3)
    assert pitch.min() == pytest.approx(-0.05, abs=1e-3)
    assert pitch.max() == pytest.approx(0.15, abs=1e-3)
    torch.testing.assert_close(radius, torch.full_like(radius, scene.radius))
    assert (yaw[0] - yaw[-1]).abs() < 2 * yaw.diff().abs().max()  # the last frame meets the first


def test_pictures_survive_a_write_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "grid.png"
    save_png(Image.new("RGB", (4, 4), (255, 0, 0)), path)

    def fail(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("power cut")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="power cut"):
        save_png(Image.new("RGB", (4, 4)), path)
    monkeypatch.undo()
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)
    assert [item.name for item in tmp_path.iterdir()] == ["grid.png"]


def test_a_video_holds_its_frames(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    shades = torch.tensor([-0.8, 0.0, 0.8]).reshape(3, 1, 1, 1)
    save_video(shades.expand(3, 3, 16, 48), tmp_path / "orbit.mp4", frames_per_second=12)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "orbit.mp4"))
    about = next(reader)
    frames = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    assert about["size"] == (768, 256)
    assert about["fps"] == 12
    assert frames == pytest.approx([25.5, 127.5, 229.5], abs=6)
    assert [item.name for item in tmp_path.iterdir()] == ["orbit.mp4"]


def test_without_ffmpeg_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match=r"\[export\].*evaluate\.video=false"):
        load_video_writer()
