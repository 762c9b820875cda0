"""Fused kernels on a CPU against the torch definition, and against themselves."""

import math

import pytest
import torch
from fused_cases import (
    VALUES,
    assert_close,
    assert_gradients,
    in_float64,
    make_decoder,
    make_planes,
    make_rays,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mimic3d.cameras import Scene
from mimic3d.rays import Rays
from mimic3d.rendering.depths import uniform_draws
from mimic3d.rendering.renderer import RenderingConfig, query, render
from mimic3d.rendering.triplane import EG3D_PLANE_AXES, PLANE_AXES

pytest.importorskip("numba", reason="the extra `fast` is not installed")

from mimic3d.rendering.fused.render import query_fused, render_fused

sizes = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=3)


@given(
    seed=st.integers(0, 2**31), n=st.integers(1, 3), side=st.integers(1, 9),
    channels=st.integers(1, 20), hidden=st.integers(1, 40), colors=st.integers(1, 17), sizes=sizes,
    first=st.integers(4, 9), second=st.integers(1, 9), gain=st.sampled_from([1e-3, 1.0, 400.0]),
    legacy=st.booleans(), is_drawn=st.booleans(), white_back=st.booleans(),
    box_warp=st.sampled_from([0.5, 1.0, 1.6]), axes=st.sampled_from([PLANE_AXES, EG3D_PLANE_AXES]),
    spread=st.sampled_from([1.0, 1.2]),
)  # fmt: skip
@example(
    seed=0, n=1, side=1, channels=3, hidden=5, colors=1, sizes=[(1, 1)], first=4, second=1,
    gain=1.0, legacy=False, is_drawn=False, white_back=True, box_warp=1.0, axes=PLANE_AXES,
    spread=1.0,
)  # fmt: skip
@settings(max_examples=40)
def test_render_agrees_with_torch(
    seed, n, side, channels, hidden, colors, sizes, first, second, gain, legacy, is_drawn,
    white_back, box_warp, axes, spread,
):  # fmt: skip
    rng = torch.Generator().manual_seed(seed)
    scene = Scene(white_back=white_back, box_warp=box_warp)
    cfg = RenderingConfig(
        depth_resolution=first, depth_resolution_importance=second, density_gain=gain,
        plane_axes=axes,
    )  # fmt: skip
    decoder, planes = (
        make_decoder(rng, channels, hidden, colors),
        make_planes(rng, n, channels, sizes),
    )
    rays = make_rays(rng, n, side, scene, spread)
    decoder64, planes64 = in_float64(decoder, planes)
    rays64 = Rays(rays.origins.double(), rays.directions.double())
    results = []
    for renderer, field in (
        (render_fused, (planes, decoder, rays)),
        (render, (planes, decoder, rays)),
        (render, (planes64, decoder64, rays64)),
    ):
        sampling = uniform_draws(torch.Generator().manual_seed(seed)) if is_drawn else None
        seen = renderer(*field, scene, cfg, colors, sampling, legacy)
        results.append((seen.features, seen.depth, seen.alpha))
    for ours, truth in zip(*results[:2], strict=True):
        assert_close(ours, truth, VALUES)
    own = (planes, list(decoder.parameters()))
    assert_gradients(results, [own, own, (planes64, list(decoder64.parameters()))])


@given(
    seed=st.integers(0, 2**31), n=st.integers(1, 3), num=st.integers(1, 70),
    channels=st.integers(1, 20), hidden=st.integers(1, 40), colors=st.integers(0, 5), sizes=sizes,
)  # fmt: skip
@settings(max_examples=25)
def test_query_agrees_with_torch(seed, n, num, channels, hidden, colors, sizes):
    rng = torch.Generator().manual_seed(seed)
    decoder = make_decoder(rng, channels, hidden, colors)
    planes = make_planes(rng, n, channels, sizes)
    decoder64, planes64 = in_float64(decoder, planes)
    points = torch.randn(n, num, 3, generator=rng) * 0.4  # a fifth lies outside the box
    cfg = RenderingConfig()
    results = [
        query_fused(planes, decoder, points, Scene(), cfg, colors),
        query(planes, decoder, points, Scene(), cfg, colors),
        query(planes64, decoder64, points.double(), Scene(), cfg, colors),
    ]
    for ours, truth in zip(*results[:2], strict=True):
        assert ours.shape == truth.shape
        if truth.numel():
            assert_close(ours, truth, VALUES)
    own = (planes, list(decoder.parameters()))
    assert_gradients(results, [own, own, (planes64, list(decoder64.parameters()))])


def render_default(planes, decoder, threads: int, side: int = 16, limit: float | None = None):
    scene, cfg = Scene(), RenderingConfig(depth_resolution=6, depth_resolution_importance=6)
    rays = make_rays(torch.Generator().manual_seed(3), len(planes[0]), side, scene)
    torch.set_num_threads(threads)
    sampling = uniform_draws(torch.Generator().manual_seed(4))
    return render_fused(planes, decoder, rays, scene, cfg, 3, sampling, optical_limit=limit)


@pytest.mark.parametrize("n", [1, 3])
def test_threads_change_no_bit(n):
    rng = torch.Generator().manual_seed(0)
    decoder, planes = make_decoder(rng, 8, 16, 3), make_planes(rng, n, 8, [(8, 8), (16, 16)])
    each = []
    for threads in (1, 2, 3):
        features = render_default(planes, decoder, threads, side=37).features
        loss = features.square().sum()
        each.append(torch.autograd.grad(loss, [*planes, *decoder.parameters()]))
    for other in each[1:]:
        assert all(a.equal(b) for a, b in zip(each[0], other, strict=True))


def test_changed_planes_are_seen_and_repeated_ones_are_not_copied():
    rng = torch.Generator().manual_seed(0)
    decoder = make_decoder(rng, 8, 16, 3)
    level = torch.randn(1, 3, 8, 16, 16, generator=rng)
    with torch.no_grad():
        one = render_default((level.expand(2, -1, -1, -1, -1),), decoder, 1).features
        two = render_default((level.repeat(2, 1, 1, 1, 1),), decoder, 1).features
        assert one.equal(two)
        level += 1
        changed = render_default((level.expand(2, -1, -1, -1, -1),), decoder, 1).features
        assert changed.equal(render_default((level.repeat(2, 1, 1, 1, 1),), decoder, 1).features)
        assert not changed.equal(one)


def test_a_ray_that_ends_early_loses_what_its_limit_says():
    rng = torch.Generator().manual_seed(0)
    decoder, planes = make_decoder(rng, 8, 16, 3), make_planes(rng, 1, 8, [(16, 16)])
    with torch.no_grad():
        decoder.out_weight[0] = 0
        decoder.out_bias[0] = 20  # fog, of optical depth 20 from near to far
        whole, short = (render_default(planes, decoder, 1, limit=x) for x in (None, 3.0))
    lost = whole.alpha - short.alpha
    assert 0 < lost.min()
    assert lost.max() < math.exp(-3)
    assert (whole.features - short.features).abs().max() < 2 * math.exp(-3)  # colours span 2
