import pytest
import torch

from mimic3d.gallery.animation import morph_frames, orbit_frames
from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.panels import PANELS, compare_branches, compare_orbit
from mimic3d.gallery.paths import strip_path

CFG = GalleryConfig(strip_views=3)


@pytest.fixture
def cameras(generator):
    return strip_path(CFG, 0.0, generator.scene)


@pytest.fixture
def ws(generator, cameras):
    return generator.mapping(torch.randn(3, 8), cameras.labels())


def test_one_object_per_camera_is_the_same_in_any_batch(generator, ws, cameras):
    all_at_once = compare_branches(generator, ws, cameras, batch=8).panels
    in_batches = compare_branches(generator, ws, cameras, batch=2).panels
    assert tuple(all_at_once) == PANELS
    for panel in ("2d", "3d", "depth"):
        torch.testing.assert_close(all_at_once[panel], in_batches[panel], atol=1e-3, rtol=0)


def test_panels_lie_side_by_side_or_stacked_in_the_order_asked_for(generator, ws, cameras):
    shown = compare_branches(generator, ws, cameras, 4, panels=("depth", "2d"))
    assert shown.side_by_side().shape == (3, 3, 16, 32)
    assert shown.stacked().shape == (3, 3, 32, 16)
    expected = compare_branches(generator, ws, cameras, batch=4).panels
    torch.testing.assert_close(shown.side_by_side()[..., 16:], expected["2d"])
    torch.testing.assert_close(shown.stacked()[:, :, :16], expected["depth"])


def test_an_orbit_shows_one_object(generator, ws, cameras):
    orbit = compare_orbit(generator, ws[:1], cameras, batch=2).panels
    expected = compare_branches(generator, ws[:1].expand(3, -1, -1), cameras, batch=2).panels
    for panel in ("2d", "3d", "depth"):
        torch.testing.assert_close(orbit[panel], expected[panel], atol=1e-3, rtol=0)


def test_another_resolution_renders_the_3d_branch_and_resizes_the_2d_branch(generator, ws, cameras):
    shown = compare_branches(generator, ws, cameras, batch=4, resolution=32).panels
    assert {image.shape for image in shown.values()} == {(3, 3, 32, 32)}
    direct = generator.render(ws, cameras, "3d", resolution=32).image
    torch.testing.assert_close(shown["3d"], direct)


def test_what_is_not_shown_is_not_rendered(generator, ws, cameras, monkeypatch):
    monkeypatch.setattr(generator, "render_3d", None)
    assert compare_orbit(generator, ws[:1], cameras, 4, panels=("2d",)).panels["2d"].shape[0] == 3


def test_a_generator_without_detail_planes_is_drawn_by_its_coarse_ones(tiny_config):
    from mimic3d.cameras import Scene
    from mimic3d.networks.generator import Generator

    G = Generator(tiny_config, Scene()).eval().requires_grad_(False)
    cameras = strip_path(CFG, 0.0, G.scene)
    ws = G.mapping(torch.randn(3, 8), cameras.labels())
    expected = G.render_3d(G.synthesize_planes(ws, False, "const"), cameras, 16).image
    torch.testing.assert_close(compare_branches(G, ws, cameras, 4).panels["3d"], expected)


def test_frames_are_rendered_when_asked_for_and_equal_the_stills(
    generator, ws, cameras, monkeypatch
):
    expected = compare_orbit(generator, ws[:1], cameras, batch=1).side_by_side()
    rendered = []
    render = generator.render_2d
    monkeypatch.setattr(generator, "render_2d", lambda *a: rendered.append(1) or render(*a))
    frames = orbit_frames(generator, ws[:1], cameras, batch=1)
    first = next(frames)
    assert len(rendered) == 1
    torch.testing.assert_close(torch.stack([first, *frames]), expected)
    morph = torch.stack(list(morph_frames(generator, ws, cameras, batch=2)))
    torch.testing.assert_close(
        morph, compare_branches(generator, ws, cameras, batch=2).side_by_side()
    )
