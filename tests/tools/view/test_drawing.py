from typing import get_args

import numpy as np
import pytest
import torch

from mimic3d.cameras import orbit_cameras
from mimic3d.metrics.features import to_uint8
from tools.view.drawing import DrawingInterruptedError, draw, measure_drift, on_canvas
from tools.view.settings import Panel, ViewSettings

SIDE = 16


def pixels_of(image):
    return to_uint8(image)[0].permute(1, 2, 0).numpy()


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


def test_tiles_add_up_to_the_whole_picture(subject):
    settings = ViewSettings(seed=1, yaw_rad=0.2)
    whole = draw((subject,), settings, 40).pixels
    tiles = draw((subject,), settings, 40, tile=12)
    assert np.abs(tiles.pixels.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("panel", get_args(Panel))
def test_every_panel_is_drawn(subject, panel):
    picture = draw((subject,), ViewSettings(panel=panel), SIDE)
    width = 2 * SIDE if panel in ("both", "epi") else SIDE
    assert picture.pixels.shape == (SIDE, width, 3)
    assert (picture.num_rays > 0) == (panel != "2d")


def test_settings_change_the_picture(subject):
    before = draw((subject,), ViewSettings(), SIDE).pixels
    for change in (
        {"seed": 1}, {"blend": 0.5}, {"latent_x": 1.0}, {"latent_y": 1.0}, {"psi": 0.2},
        {"along_1": 1.0}, {"along_4": -1.0}, {"along_1": 1.0, "directions": "factorized"},
        {"mix_to": 2}, {"samples_per_ray": 8}, {"yaw_rad": 0.4}, {"fov_deg": 8.0},
        {"distance": 1.1}, {"panel": "2d"}, {"shift": (0.1, 0.0, 0.0)},
    ):  # fmt: skip
        assert (draw((subject,), ViewSettings(**change), SIDE).pixels != before).any(), change


def test_a_drawing_is_given_up_between_tiles(subject):
    answers = iter([False, True])
    with pytest.raises(DrawingInterruptedError):
        draw((subject,), ViewSettings(), SIDE, lambda: next(answers), tile=8)


def test_planes_are_made_once_per_style(subject):
    assert draw((subject,), ViewSettings(), SIDE).timings["planes"] > 0
    assert draw((subject,), ViewSettings(yaw_rad=0.3), SIDE).timings["planes"] == 0
    assert draw((subject,), ViewSettings(seed=9), SIDE).timings["planes"] > 0


def test_the_conditioning_moves_the_picture_only_where_the_generator_reads_it(subject):
    settings = ViewSettings(yaw_rad=0.5, psi=1.0)
    assert measure_drift(subject, settings) > 0
    subject.G.mapping.camera_conditioning = False
    subject._objects.clear()
    assert measure_drift(subject, settings) == 0


@pytest.mark.parametrize("panel", ["3d", "both", "normals"])
def test_two_snapshots_are_shown_under_one_camera_and_seed(subject, collection, panel):
    other, settings = collection.subject("runs/second"), ViewSettings(panel=panel, seed=3)
    apart = [draw((each,), settings, SIDE).pixels for each in (subject, other)]
    together = draw((subject, other), settings, SIDE).pixels
    assert (together == np.concatenate(apart, axis=0 if panel == "both" else 1)).all()


def test_mixing_takes_over_these_layers_only(subject):
    camera = orbit_cameras(torch.zeros(1), torch.zeros(1), subject.G.scene)
    own = subject.styles(ViewSettings(seed=4), camera)
    other = subject.styles(ViewSettings(seed=9), camera)
    mixed = subject.styles(ViewSettings(seed=4, mix_seed=9, mix_from=1, mix_to=3), camera)
    assert (mixed[:, 1:3] == other[:, 1:3]).all()
    assert (mixed[:, :1] == own[:, :1]).all()
    assert (mixed[:, 3:] == own[:, 3:]).all()


def test_interpolation_ends_at_both_objects(subject):
    camera = orbit_cameras(torch.zeros(1), torch.zeros(1), subject.G.scene)
    end = subject.styles(ViewSettings(seed=1, seed_to=6, blend=1.0), camera)
    torch.testing.assert_close(end, subject.styles(ViewSettings(seed=6), camera))


def test_the_row_of_epi_is_a_row_of_the_picture(subject):
    """With one camera in the middle: the line of yaw 0 is that row of the panels 2d and 3d."""
    settings = ViewSettings(panel="epi", epi_row=0.5)
    both = draw((subject,), settings, 34).pixels.astype(int)
    yaw = float(torch.linspace(-0.4, 0.4, 16)[8])
    for place, branch in enumerate(("2d", "3d")):
        at = settings.model_copy(update={"panel": branch, "yaw_rad": yaw})
        row = draw((subject,), at, 34).pixels[17].astype(int)
        line = both[int(8.5 * 34 / 16), 34 * place : 34 * (place + 1)]
        assert np.abs(line - row).max() <= 1


@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.77])
def test_a_canvas_has_the_shape_of_the_window_and_the_picture_in_its_middle(aspect):
    picture = np.full((20, 20, 3), 200, np.uint8)
    canvas = on_canvas(picture, aspect, grey=7)
    assert canvas.shape[1] / canvas.shape[0] == pytest.approx(aspect, abs=0.06)
    assert (canvas == 200).all(axis=2).sum() == 400
    assert set(np.unique(canvas)) <= {7, 200}
