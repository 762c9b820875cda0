import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch

from mimic3d.cameras import orbit_cameras
from tools.view.drawing import DrawingInterruptedError, average_camera, draw, view_camera
from tools.view.saving import measure_drift, png_bytes
from tools.view.session import on_canvas
from tools.view.settings import Panel, ViewSettings

SIDE = 16


def pixels_of(image):
    return ((image[0].permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("branch", ["2d", "3d"])
def test_the_picture_is_what_the_generator_renders(subject, branch):
    settings = ViewSettings(seed=5, panel=branch, yaw_rad=0.3, pitch_rad=-0.1, psi=1.0)
    G, straight = subject.G, torch.zeros(1)
    z = torch.randn((1, G.config.z_dim), generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        ws = G.mapping(z, orbit_cameras(straight, straight, G.scene).labels())
        cameras = orbit_cameras(straight + 0.3, straight - 0.1, G.scene)
        expected = pixels_of(G.render(ws, cameras, branch, SIDE).image)
    shown = draw((subject,), settings, SIDE).pixels
    assert np.abs(shown.astype(int) - expected).max() <= 1


def test_tiles_add_up_to_the_whole_picture(subject, monkeypatch):
    settings = ViewSettings(seed=1, yaw_rad=0.2)
    whole = draw((subject,), settings, 40).pixels
    monkeypatch.setattr("tools.view.drawing.TILE", 12)
    tiles = draw((subject,), settings, 40)
    assert np.abs(tiles.pixels.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("panel", get_args(Panel))
def test_every_panel_is_drawn(subject, collection, panel):
    picture = draw((subject, collection.subject(1)), ViewSettings(panel=panel), SIDE)
    width = 2 * SIDE if panel in ("both", "compare") else SIDE
    assert picture.pixels.shape == (SIDE, width, 3)
    assert picture.num_rays > 0


def test_settings_change_the_picture(subject):
    before = draw((subject,), ViewSettings(), SIDE).pixels
    for change in (
        {"seed": 1}, {"blend": 0.5}, {"latent_x": 1.0}, {"latent_y": 1.0}, {"psi": 0.2},
        {"mix_from": 1}, {"yaw_rad": 0.4}, {"fov_deg": 8.0}, {"distance": 1.1}, {"panel": "2d"},
    ):  # fmt: skip
        assert (draw((subject,), ViewSettings(**change), SIDE).pixels != before).any(), change


def test_a_drawing_is_given_up_between_tiles(subject, monkeypatch):
    monkeypatch.setattr("tools.view.drawing.TILE", 8)
    answers = iter([False, True])
    with pytest.raises(DrawingInterruptedError):
        draw((subject,), ViewSettings(), SIDE, lambda: next(answers))


def test_planes_are_made_once_per_style(subject):
    assert draw((subject,), ViewSettings(), SIDE).timings.planes > 0
    assert draw((subject,), ViewSettings(yaw_rad=0.3), SIDE).timings.planes == 0
    assert draw((subject,), ViewSettings(seed=9), SIDE).timings.planes > 0


def test_the_conditioning_moves_the_picture_only_where_the_generator_reads_it(subject):
    settings = ViewSettings(yaw_rad=0.5, psi=1.0)
    assert measure_drift(subject, settings) > 0
    subject.G.mapping.camera_conditioning = False
    subject._objects.clear()
    assert measure_drift(subject, settings) == 0


def test_the_average_camera_is_a_camera(subject):
    label = subject.average_label + 0.01 * torch.randn(1, 25)
    rotation = average_camera(label).cam2world[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3)[None])


def test_distance_and_field_of_view_are_those_asked_for(subject):
    settings = ViewSettings(yaw_rad=0.7, distance=2.0, fov_deg=90.0)
    camera = view_camera(settings, subject.scene, torch.device("cpu"))
    offset = camera.centers[0] - torch.tensor(subject.scene.pivot)
    torch.testing.assert_close(offset.norm(), torch.tensor(2 * subject.scene.radius))
    torch.testing.assert_close(camera.intrinsics[0, 0, 0], torch.tensor(0.5))
    assert dataclasses.is_dataclass(camera)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.77])
def test_a_canvas_has_the_shape_of_the_window_and_the_picture_in_its_middle(aspect):
    picture = np.full((20, 20, 3), 200, np.uint8)
    canvas = on_canvas(picture, aspect, grey=7)
    assert canvas.shape[1] / canvas.shape[0] == pytest.approx(aspect, abs=0.06)
    assert (canvas == 200).all(axis=2).sum() == 400
    assert set(np.unique(canvas)) <= {7, 200}
    assert png_bytes(canvas).startswith(b"\x89PNG")
