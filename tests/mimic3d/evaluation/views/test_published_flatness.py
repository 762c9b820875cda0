from dataclasses import replace
from pathlib import Path

import pytest
import torch
import view_scores
from torch.nn import functional as F

from mimic3d.cameras import orbit_cameras
from mimic3d.evaluation.sampling import draw_latents
from mimic3d.evaluation.views.objects import generated_views
from mimic3d.evaluation.views.published_flatness import (
    PublishedFlatnessConfig,
    frontal_densities,
    published_flatness,
)
from mimic3d.metrics.flatness import flatness_3dgp
from mimic3d.networks.generator import Generator
from mimic3d.rays import cast_rays

CFG = PublishedFlatnessConfig(resolution=6, num_samples=10)
SCENE = view_scores.SCENE


@pytest.fixture
def network(tiny_config):
    cfg = tiny_config.model_copy(
        update={"detail": True, "rendering": tiny_config.rendering.model_copy(
            update={"density_gain": 3.0})}
    )  # fmt: skip
    return Generator(cfg, SCENE).eval().requires_grad_(False)


def test_densities_equal_a_plain_loop(network, monkeypatch):
    synthesize = network.synthesize_planes

    def with_detail(ws, detail, noise):  # fresh detail planes are empty
        coarse, fine = synthesize(ws, detail, noise)
        return coarse, fine + torch.randn(fine.shape, generator=torch.Generator().manual_seed(0))

    monkeypatch.setattr(network, "synthesize_planes", with_detail)
    ctx = replace(view_scores.context(Path("unused")), G=network)
    sources = generated_views(ctx, 4)
    ws = network.mapping(draw_latents(4, 1, network.config.z_dim, 1, 7)[0], ctx.average_label)
    planes = with_detail(ws, True, "const")
    rays = cast_rays(orbit_cameras(torch.zeros(1), torch.tensor([0.1]), SCENE), 6)
    for branch, levels in (("2d", planes[:1]), ("3d", planes)):
        densities = frontal_densities(sources[branch], 0.1, CFG)
        assert densities.shape == (6, 6, 10)
        edges = [SCENE.near + (SCENE.far - SCENE.near) * k / 10 for k in range(11)]
        for row, column in ((0, 0), (2, 5), (5, 1)):
            ray = row * 6 + column
            points = [rays.origins[0, ray] + t * rays.directions[0, ray] for t in edges]
            raw = network.density(levels, torch.stack(points)[None])[0, :, 0]
            expected = [3 * F.softplus((raw[k] + raw[k + 1]) / 2 - 1) for k in range(10)]
            torch.testing.assert_close(
                densities[row, column], torch.stack(expected), rtol=1e-4, atol=1e-5
            )
    flat, direct = (frontal_densities(sources[b], 0.1, CFG) for b in ("2d", "3d"))
    assert (flat - direct).abs().max() > 1e-3


def test_all_objects_are_scored_together():
    densities = [torch.rand(4, 4, 10) * scale for scale in (30.0, 90.0)]
    scores = published_flatness(densities, SCENE, CFG)
    edges = torch.linspace(SCENE.near, SCENE.far, 11).expand(2, 4, 4, 11)
    expected = flatness_3dgp(torch.stack(densities), edges, SCENE.near, SCENE.far)
    assert scores == pytest.approx(expected.tolist())
    alone = published_flatness(densities[:1], SCENE, CFG)
    assert alone[0] != pytest.approx(scores[0], rel=1e-3)  # its own median now
