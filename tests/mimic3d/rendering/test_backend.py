import copy

import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.networks.decoder import Decoder, DecoderConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects
from mimic3d.rays import cast_rays
from mimic3d.rendering import backend
from mimic3d.rendering.backend import TORCH, RenderBackend, Shortcuts, choose_backend
from mimic3d.rendering.fused.render import why_not_half
from mimic3d.rendering.renderer import RenderingConfig, query, render

CPU = torch.device("cpu")
SCENE, CFG = Scene(), RenderingConfig(depth_resolution=4, depth_resolution_importance=4)


def field():
    decoder = Decoder(DecoderConfig(hidden_channels=4), 4, 3)
    rays = cast_rays(orbit_cameras(torch.zeros(1), torch.zeros(1), SCENE), 4)
    return (torch.randn(1, 3, 4, 8, 8),), decoder, rays


def refuse(monkeypatch, reason="no kernels"):
    monkeypatch.setattr(backend, "why_not_here", lambda device: reason)


def test_torch_is_the_definition_to_the_last_bit():
    planes, decoder, rays = field()
    chosen = choose_backend("torch", CPU)
    assert (chosen.name, chosen.reason) == ("torch", "asked for")
    ours = chosen.render(planes, decoder, rays, SCENE, CFG, 3)
    assert ours.features.equal(render(planes, decoder, rays, SCENE, CFG, 3).features)
    points = torch.randn(1, 5, 3)
    ours = chosen.query(planes, decoder, points, SCENE, CFG, 3)
    truth = query(planes, decoder, points, SCENE, CFG, 3)
    assert all(a.equal(b) for a, b in zip(ours, truth, strict=True))


def test_where_no_kernel_runs_fused_is_an_error_and_auto_is_torch(monkeypatch):
    refuse(monkeypatch)
    with pytest.raises(ValueError, match="cannot run: no kernels; or choose"):
        choose_backend("fused", CPU)
    chosen = choose_backend("auto", CPU)
    assert (chosen.name, chosen.reason) == ("torch", "no kernels")


def test_no_kernels_on_an_unknown_device():
    assert choose_backend("auto", torch.device("meta")).name == "torch"


def test_a_call_that_kernels_cannot_take_is_an_error_or_counted():
    planes, _, rays = field()

    def plain(features, channels):
        return features[..., :1], features[..., 1 : 1 + channels]

    fused = RenderBackend("fused", "fused", "asked for")
    with pytest.raises(ValueError, match="does not show its layers"):
        fused.render(planes, plain, rays, SCENE, CFG, 3)
    auto = RenderBackend("auto", "fused", "here")
    ours = auto.render(planes, plain, rays, SCENE, CFG, 3).features
    assert ours.equal(render(planes, plain, rays, SCENE, CFG, 3).features)
    points = torch.randn(1, 5, 3, requires_grad=True)
    auto.query(planes, Decoder(DecoderConfig(hidden_channels=4), 4, 3), points, SCENE, CFG, 3)
    assert auto.fallbacks == {
        "the decoder does not show its layers": 1,
        "rays or points need gradients": 1,
    }


def test_records_name_the_renderer_and_its_shortcuts():
    limited = Shortcuts(optical_limit=7)
    assert TORCH.description == "torch"
    assert RenderBackend("torch", "torch", "", limited).description == "torch"
    assert RenderBackend("fused", "fused", "").description == "fused"
    named = RenderBackend("fused", "fused", "", limited).description
    assert named == "fused, rays end at optical depth 7"
    half = RenderBackend("fused", "fused", "", Shortcuts(half_tables=True)).description
    assert half == "fused, planes in float16"


def test_a_shortcut_that_a_device_does_not_have_is_an_error():
    with pytest.raises(ValueError, match="half_tables must be false on the device cpu"):
        choose_backend("auto", CPU, Shortcuts(half_tables=True))
    with pytest.raises(ValueError, match="optical_limit must be null on a GPU"):
        choose_backend("fused", torch.device("cuda"), Shortcuts(optical_limit=7))


def test_planes_that_float16_cannot_hold_are_told():
    small, large = torch.ones(1, 3, 1, 2, 2), torch.full((1, 3, 1, 2, 2), 7e3)
    assert why_not_half((small,)) is None
    assert "within 6000" in (why_not_half((small, large)) or "")


def test_shortcuts_never_touch_what_is_learnt():
    pytest.importorskip("numba")
    planes, decoder, rays = field()
    limited = RenderBackend("fused", "fused", "", Shortcuts(optical_limit=1e-3))
    plain = RenderBackend("fused", "fused", "")
    results = [b.render(planes, decoder, rays, SCENE, CFG, 3).features for b in (limited, plain)]
    assert results[0].equal(results[1])
    with torch.no_grad():
        shortened = limited.render(planes, decoder, rays, SCENE, CFG, 3).features
    assert not shortened.equal(results[1])


def test_a_generator_renders_and_queries_with_its_backend(tiny_config):
    pytest.importorskip("numba")
    G = Generator(tiny_config.model_copy(update={"detail": True}), SCENE)
    fast = copy.copy(G)
    fast.backend = choose_backend("fused", CPU)
    assert G.backend is TORCH
    assert copy.deepcopy(fast).backend.name == "fused"
    cameras = orbit_cameras(torch.zeros(1), torch.zeros(1), SCENE)
    points = torch.rand(1, 20, 3) - 0.5
    with torch.no_grad():
        ws = G.mapping(torch.randn(1, tiny_config.z_dim), cameras.labels())
        both = [synthesize_objects(g, ws) for g in (G, fast)]
        for branch in ("2d", "3d"):
            slow, quick = (o.render(cameras, branch) for o in both)
            torch.testing.assert_close(quick.image, slow.image, rtol=1e-5, atol=1e-5)
        slow, quick = (o.query(points) for o in both)
        torch.testing.assert_close(quick, slow, rtol=1e-4, atol=1e-5)
        slow, quick = (o.density(points) for o in both)
        torch.testing.assert_close(quick, slow, rtol=1e-4, atol=1e-5)
    assert not fast.backend.fallbacks
