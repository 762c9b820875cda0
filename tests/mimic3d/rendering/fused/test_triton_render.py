"""Kernels in Triton against the torch definition: on a GPU, or in Triton's interpreter."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

pytest.importorskip("triton", reason="triton is not installed: its wheels are for Linux")

from fused_cases import (
    VALUES,
    assert_close,
    assert_gradients,
    in_float64,
    make_decoder,
    make_planes,
    make_rays,
)

from mimic3d.cameras import Scene
from mimic3d.rays import Rays
from mimic3d.rendering.depths import uniform_draws
from mimic3d.rendering.fused import triton_launch
from mimic3d.rendering.fused.render import query_fused, render_fused
from mimic3d.rendering.renderer import RenderingConfig, query, render
from mimic3d.rendering.triplane import EG3D_PLANE_AXES, PLANE_AXES

HALF_DECIBELS = 60.0
CASES = {
    "two levels": {},
    "fixed samples": {"is_drawn": False, "n": 2, "side": 3},
    "legacy, drawn": {"legacy": True},
    "legacy, fixed": {"legacy": True, "is_drawn": False},
    "one ray, one texel, one colour": {
        "side": 1, "channels": 3, "hidden": 5, "colors": 1, "sizes": [(1, 1)], "first": 4,
        "second": 1,
    },
    "one level, many colours": {"sizes": [(9, 12)], "colors": 17, "hidden": 33},
    "three levels, odd sizes": {"sizes": [(3, 5), (7, 4), (20, 11)], "channels": 20},
    "white, large box, axes of EG3D": {
        "white_back": True, "box_warp": 1.6, "axes": EG3D_PLANE_AXES, "spread": 1.2,
    },
    "opaque": {"gain": 400.0},
    "nearly empty": {"gain": 1e-3},
}  # fmt: skip


def compare(
    n=1, side=4, channels=8, hidden=16, colors=3, sizes=((12, 12), (24, 24)), first=4, second=3,
    gain=4.0, legacy=False, is_drawn=True, white_back=False, box_warp=1.0, axes=PLANE_AXES,
    spread=1.0,
):  # fmt: skip
    rng = torch.Generator().manual_seed(3)
    scene = Scene(white_back=white_back, box_warp=box_warp)
    cfg = RenderingConfig(
        depth_resolution=first, depth_resolution_importance=second, density_gain=gain,
        plane_axes=axes,
    )  # fmt: skip
    decoder = make_decoder(rng, channels, hidden, colors)
    planes = make_planes(rng, n, channels, sizes)
    rays = make_rays(rng, n, side, scene, spread)
    decoder64, planes64 = in_float64(decoder, planes)
    rays64 = Rays(rays.origins.double(), rays.directions.double())
    results = []
    for renderer, field in (
        (lambda *x: render_fused(*x, kernels="triton"), (planes, decoder, rays)),
        (render, (planes, decoder, rays)),
        (render, (planes64, decoder64, rays64)),
    ):
        sampling = uniform_draws(torch.Generator().manual_seed(3)) if is_drawn else None
        view = renderer(*field, scene, cfg, colors, sampling, legacy)
        results.append((view.features, view.depth, view.alpha))
    for ours, truth in zip(*results[:2], strict=True):
        assert_close(ours, truth, VALUES)
    own = (planes, list(decoder.parameters()))
    assert_gradients(results, [own, own, (planes64, list(decoder64.parameters()))])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_render_agrees_with_torch(case):
    compare(**CASES[case])


def default_field(n=1, sizes=((8, 8), (16, 16))):
    rng = torch.Generator().manual_seed(0)
    return make_planes(rng, n, 8, sizes), make_decoder(rng, 8, 16, 3)


def render_default(planes, decoder, side=16, **choices):
    scene, cfg = Scene(), RenderingConfig(depth_resolution=4, depth_resolution_importance=4)
    rays = make_rays(torch.Generator().manual_seed(3), len(planes[0]), side, scene)
    return render_fused(planes, decoder, rays, scene, cfg, 3, kernels="triton", **choices)


@pytest.mark.parametrize("colors", [0, 3])
def test_query_agrees_with_torch(colors):
    planes, decoder = default_field(2, ((5, 7), (16, 16)))
    decoder64, planes64 = in_float64(decoder, planes)
    points = torch.randn(2, 70, 3, generator=torch.Generator().manual_seed(1)) * 0.4
    rest = (Scene(), RenderingConfig(), colors)
    results = [
        query_fused(planes, decoder, points, *rest, kernels="triton"),
        query(planes, decoder, points, *rest),
        query(planes64, decoder64, points.double(), *rest),
    ]
    for ours, truth in zip(*results[:2], strict=True):
        assert ours.shape == truth.shape
        if truth.numel():
            assert_close(ours, truth, VALUES)
    own = (planes, list(decoder.parameters()))
    assert_gradients(results, [own, own, (planes64, list(decoder64.parameters()))])


def test_gradients_of_planes_do_not_depend_on_the_order_of_points():
    planes, decoder = default_field()
    points = torch.randn(1, 300, 3, generator=torch.Generator().manual_seed(1)) * 0.3
    given = torch.randn(1, 300, 1, generator=torch.Generator().manual_seed(2))
    each = []
    for order in (torch.arange(300), torch.randperm(300)):
        sigma, _ = query_fused(
            planes, decoder, points[:, order], Scene(), RenderingConfig(), 0, kernels="triton"
        )
        each.append(torch.autograd.grad(sigma, planes, given[:, order]))
    assert all(a.equal(b) for a, b in zip(*each, strict=True))
    assert all(a.abs().max() > 0 for a in each[0])


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_gradients_of_planes_keep_their_relative_precision(size):
    planes, decoder = default_field()
    points = torch.randn(1, 40, 3, generator=torch.Generator().manual_seed(1)) * 0.3
    rest = (Scene(), RenderingConfig(), 0)
    ours = query_fused(planes, decoder, points, *rest, kernels="triton")[0]
    truth = query(planes, decoder, points, *rest)[0]
    for x, y in zip(
        torch.autograd.grad(ours.sum() * size, planes),
        torch.autograd.grad(truth.sum() * size, planes),
        strict=True,
    ):
        assert_close(x / size, y / size, 1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_stay_so(bad):
    planes, decoder = default_field()
    view = render_default(planes, decoder, side=2)
    gradients = torch.autograd.grad(view.alpha.sum() * bad, planes)
    assert all(g.isnan().all() for g in gradients)


def test_tiles_and_chunks_change_no_pixel(monkeypatch):
    planes, decoder = default_field()
    with torch.no_grad():
        whole = render_default(planes, decoder, legacy=True)
        scene, cfg = Scene(), RenderingConfig(depth_resolution=4, depth_resolution_importance=4)
        rays = make_rays(torch.Generator().manual_seed(3), 1, 16, scene)
        truth = render(planes, decoder, rays, scene, cfg, 3, legacy=True)
        assert_close(whole.features, truth.features, VALUES)
        assert_close(whole.depth, truth.depth, VALUES)
        monkeypatch.setattr(
            "mimic3d.rendering.fused.triton_render.chunk_bytes", lambda device: 100 * 8 * 5 * 4
        )
        parts = render_default(planes, decoder, legacy=True)
    assert parts.features.equal(whole.features)
    assert parts.depth.equal(whole.depth)


def test_repeated_planes_are_not_copied():
    planes, decoder = default_field(sizes=((8, 8),))
    level = planes[0].detach()
    with torch.no_grad():
        one = render_default((level.expand(2, -1, -1, -1, -1),), decoder, 4).features
        two = render_default((level.repeat(2, 1, 1, 1, 1),), decoder, 4).features
    assert one.equal(two)


def test_half_tables_are_near_enough_to_look_at():
    planes, decoder = default_field()
    with torch.no_grad():
        full = render_default(planes, decoder, 8).features
        half = render_default(planes, decoder, 8, has_half_tables=True).features
    error = (half - full).square().mean()
    assert error > 0
    assert 10 * torch.log10(4 / error) > HALF_DECIBELS


def test_sums_of_whole_numbers_never_overflow():
    """Every point in one texel, with the largest gradients."""
    planes, decoder = default_field(sizes=((1, 1),))
    points = torch.zeros(1, 256, 3)
    rest = (Scene(), RenderingConfig(), 0)
    ours = query_fused(planes, decoder, points, *rest, kernels="triton")[0]
    truth = query(planes, decoder, points, *rest)[0]
    for x, y in zip(
        torch.autograd.grad(ours.sum(), planes), torch.autograd.grad(truth.sum(), planes),
        strict=True,
    ):  # fmt: skip
        assert_close(x, y, 1e-5)


def test_constants_are_powers_of_two_that_tensor_cores_take():
    assert [triton_launch.pad_size(x) for x in (1, 16, 17, 33)] == [16, 16, 32, 64]


@pytest.mark.slow
def test_fake_tensors_know_the_shapes():
    """Forward and backward without a kernel, as `torch.compile` and dry runs need it."""
    with FakeTensorMode():
        planes = make_planes(None, 2, 8, ((8, 8), (16, 16)))
        decoder = make_decoder(None, 8, 16, 3)
        view = render_fused(
            planes, decoder, make_rays(None, 2, 8, Scene()), Scene(), RenderingConfig(), 3,
            kernels="triton",
        )  # fmt: skip
        assert view.features.shape == (2, 64, 3)
        assert view.depth.shape == view.alpha.shape == (2, 64, 1)
        parameters = [*planes, *decoder.parameters()]
        gradients = torch.autograd.grad(view.features.sum(), parameters)
        assert [g.shape for g in gradients] == [p.shape for p in parameters]
        points = torch.rand(2, 5, 3)
        rest = (Scene(), RenderingConfig(), 3)
        sigma, colors = query_fused(planes, decoder, points, *rest, kernels="triton")
        assert (sigma.shape, colors.shape) == ((2, 5, 1), (2, 5, 3))
        gradients = torch.autograd.grad(sigma.sum(), parameters)
        assert [g.shape for g in gradients] == [p.shape for p in parameters]
