import pytest
import torch
import view_scores
from torch.nn import functional as F

from mimic3d.cameras import orbit_cameras
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.objects import planes_of
from mimic3d.evaluation.views.shape import (
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


def test_densities_equal_a_plain_loop(network):
    _, planes = planes_of(network, view_scores.label(0.0, 0.0), 4, SamplingConfig())
    planes = planes[0], planes[1] + torch.randn(planes[1].shape)  # fresh detail planes are empty
    rays = cast_rays(orbit_cameras(torch.zeros(1), torch.tensor([0.1]), SCENE), 6)
    for branch, levels in (("2d", planes[:1]), ("3d", planes)):
        found = frontal_densities(network, planes, branch, 0.1, CFG)
        assert found.shape == (6, 6, 10)
        edges = [SCENE.near + (SCENE.far - SCENE.near) * k / 10 for k in range(11)]
        for row, column in ((0, 0), (2, 5), (5, 1)):
            ray = row * 6 + column
            points = [rays.origins[0, ray] + t * rays.directions[0, ray] for t in edges]
            raw = network.density(levels, torch.stack(points)[None])[0, :, 0]
            expected = [3 * F.softplus((raw[k] + raw[k + 1]) / 2 - 1) for k in range(10)]
            wanted = torch.stack(expected)
            torch.testing.assert_close(found[row, column], wanted, rtol=1e-4, atol=1e-5)
    flat, direct = (frontal_densities(network, planes, b, 0.1, CFG) for b in ("2d", "3d"))
    assert (flat - direct).abs().max() > 1e-3


def test_all_objects_are_scored_together():
    densities = [torch.rand(4, 4, 10) * scale for scale in (30.0, 90.0)]
    found = published_flatness(densities, SCENE, CFG)
    edges = torch.linspace(SCENE.near, SCENE.far, 11).expand(2, 4, 4, 11)
    expected = flatness_3dgp(torch.stack(densities), edges, SCENE.near, SCENE.far)
    assert found == pytest.approx(expected.tolist())
    alone = published_flatness(densities[:1], SCENE, CFG)
    assert alone[0] != pytest.approx(found[0], rel=1e-3)  # its own median now
