"""Objects show what the generator's own methods show, bit for bit."""

import pytest
import torch
from torch.nn import functional as F

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.metrics.features import resize
from mimic3d.networks import objects as module
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import Objects, synthesize_objects, trained_branches
from mimic3d.rays import crop, random_windows
from mimic3d.rendering.composite import DENSITY_BIAS
from mimic3d.rendering.depths import uniform_draws
from mimic3d.rendering.renderer import query

NUM = 3


@pytest.fixture
def generator(tiny_config) -> Generator:
    """A generator whose detail planes are not zero, as they are at the start."""
    G = Generator(tiny_config.model_copy(update={"detail": True}), Scene())
    for parameter in G.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return G.eval().requires_grad_(False)


@pytest.fixture
def objects(generator) -> Objects:
    return synthesize_objects(generator, generator.mapping(torch.randn(NUM, 8), cameras().labels()))


def cameras(num: int = NUM):
    return orbit_cameras(torch.linspace(-0.3, 0.3, num), torch.zeros(num), Scene())


def test_planes_are_those_of_the_generator(generator, objects):
    planes = generator.synthesize_planes(objects.ws, True, "const")
    assert len(objects) == NUM
    assert objects.has_detail
    assert all(ours.equal(theirs) for ours, theirs in zip(objects.planes, planes, strict=True))


@pytest.mark.parametrize("resolution", [None, 16, 24])
def test_the_3d_branch_is_that_of_the_generator(generator, objects, resolution):
    view = objects.render(cameras(), "3d", resolution)
    expected = generator.render_3d(objects.planes, cameras(), resolution or 16)
    for name, value in vars(expected).items():
        assert getattr(view, name).equal(value)
    assert view.cameras.cam2world.equal(cameras().cam2world)


@pytest.mark.parametrize("resolution", [None, 16, 24, 8])
def test_the_2d_branch_is_that_of_the_generator_resized(generator, objects, resolution):
    view = objects.render(cameras(), "2d", resolution)
    expected = generator.render_2d(objects.planes, objects.ws, cameras())
    for name in ("image", "depth", "alpha"):
        assert getattr(view, name).equal(resize(getattr(expected, name), resolution or 16))
    assert objects.render_2d(cameras()).image_raw.equal(expected.image_raw)


@pytest.mark.parametrize("branch", ["2d", "3d"])
def test_sampling_draws_the_same_numbers(generator, objects, branch):
    def draws():
        return uniform_draws(torch.Generator().manual_seed(3))

    view = objects.render(cameras(), branch, sampling=draws())
    if branch == "2d":
        expected = generator.render_2d(objects.planes, objects.ws, cameras(), draws())
    else:
        expected = generator.render_3d(objects.planes, cameras(), 16, draws())
    assert view.image.equal(expected.image)
    assert not view.image.equal(objects.render(cameras(), branch).image)


def test_windows_are_rendered_by_their_rays_alone(generator, objects):
    windows = random_windows(NUM, 32, 8, torch.Generator().manual_seed(0))
    view = objects.render_windows(cameras(), windows, resolution=32)
    expected = generator.render_3d(objects.planes, cameras(), 32, None, windows)
    for name, value in vars(expected).items():
        assert getattr(view, name).equal(value)


def test_windows_of_the_2d_branch_are_crops(objects):
    windows = random_windows(NUM, 16, 8, torch.Generator().manual_seed(0))
    view, whole = objects.render_windows(cameras(), windows, "2d"), objects.render(cameras(), "2d")
    for name, value in vars(view).items():
        assert value.equal(crop(getattr(whole, name), windows))


@pytest.mark.parametrize("branch", ["2d", "3d"])
def test_a_single_object_is_seen_from_every_camera(generator, objects, branch):
    around = objects[1:2].render(cameras(5), branch)
    repeated = Objects(
        generator,
        objects.ws[1:2].repeat(5, 1, 1),
        tuple(level[1:2].repeat(5, 1, 1, 1, 1) for level in objects.planes),
    )
    assert around.image.equal(repeated.render(cameras(5), branch).image)


def test_densities_are_those_of_the_branch(generator, objects):
    points = torch.rand(NUM, 7, 3) - 0.5
    assert objects.density(points).equal(generator.density(objects.planes, points))
    assert objects.density(points, "2d").equal(generator.density(objects.planes[:1], points))
    assert not objects.density(points, "2d").equal(objects.density(points))


def test_a_query_gives_what_the_renderer_sees_in_any_chunks(generator, objects, monkeypatch):
    points = torch.rand(NUM, 50, 3) - 0.5
    cfg = generator.config.rendering
    raw, colors = query(objects.planes, generator.decoder, points, generator.scene, cfg, 3)
    densities = F.softplus(raw + DENSITY_BIAS) * cfg.density_gain
    whole = objects.query(points)
    assert whole[0].equal(densities)
    assert whole[1].equal(colors)
    monkeypatch.setattr(module, "CHUNK_FLOATS", 1000)  # 13 points at a time
    for ours, theirs in zip(objects.query(points), whole, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("num", "passes"), [(40, (20, 20)), (8, (4, 4)), (5, (4, 1))])
def test_samples_along_a_ray_are_split_as_the_generator_does(objects, num, passes):
    assert objects.samples_per_ray == 12
    other = objects.with_samples_per_ray(num)
    rendering = other.G.config.rendering
    assert (rendering.depth_resolution, rendering.depth_resolution_importance) == passes
    assert other.samples_per_ray == num
    assert other.planes is objects.planes
    assert other.G.decoder is objects.G.decoder
    assert objects.samples_per_ray == 12
    assert not other.render(cameras()).image.equal(objects.render(cameras()).image)


def test_detail_planes_are_made_where_there_are_some_unless_not_needed(generator, tiny_config):
    ws = generator.mapping(torch.randn(NUM, 8), cameras().labels())
    assert trained_branches(generator) == ("2d", "3d")
    coarse = synthesize_objects(generator, ws, detail=False)
    assert not coarse.has_detail
    whole = synthesize_objects(generator, ws)
    assert coarse.render(cameras(), "2d").image.equal(whole.render(cameras(), "2d").image)
    pretrained = Generator(tiny_config, Scene())
    assert trained_branches(pretrained) == ("2d",)
    assert not synthesize_objects(pretrained, ws).has_detail
    with pytest.raises(ValueError, match="has no detail planes"):
        synthesize_objects(pretrained, ws, detail=True)


def test_gradients_reach_styles_through_objects(generator):
    ws = generator.mapping(torch.randn(1, 8), cameras(1).labels()).requires_grad_()
    made = synthesize_objects(generator, ws)
    made.render(cameras(1)).image.mean().backward()
    assert ws.grad is not None
    assert ws.grad.abs().sum() > 0
