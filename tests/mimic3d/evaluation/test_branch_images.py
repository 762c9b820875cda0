import pytest
import torch

from mimic3d.cameras import Scene, cameras_from_labels, orbit_cameras
from mimic3d.evaluation.sampling import (
    CameraDraw,
    SamplingConfig,
    draw_conditioning,
    draw_latents,
    sample_branches,
)
from mimic3d.metrics.features import resize
from mimic3d.networks.objects import count_samples_per_ray, with_samples_per_ray

LABELS = orbit_cameras(torch.linspace(-0.5, 0.5, 7), torch.zeros(7), Scene()).labels()
AVERAGE = LABELS.mean(dim=0, keepdim=True)


def sampled(G, mode, resolution=16, batch=2, samples=range(5), more=()):
    cfg = SamplingConfig(batch=batch, seed=9)
    draw = CameraDraw(LABELS, AVERAGE, mode)
    batches = list(sample_branches(G, draw, samples, resolution, cfg, more))
    assert [some.first for some in batches] == list(range(samples.start, samples.stop, batch))
    images = {
        branch: torch.cat([some.images[branch] for some in batches]) for branch in ("2d", "3d")
    }
    resampled = {num: torch.cat([some.resampled[num] for some in batches]) for num in more}
    return images, resampled


@pytest.mark.parametrize("resolution", [16, 8])
@pytest.mark.parametrize("mode", ["conditioned", "independent", "fixed"])
def test_images_of_both_branches_come_from_the_cameras_of_the_mode(
    tiny_generator, resolution, mode
):
    G = tiny_generator
    z, rows = draw_latents(0, 5, G.config.z_dim, 7, seed=9)
    c = {
        "conditioned": LABELS[rows],
        "independent": LABELS[draw_conditioning(0, 5, 7, seed=9)],
        "fixed": AVERAGE.expand(5, -1),
    }[mode]
    ws, cameras = G.mapping(z, c), cameras_from_labels(LABELS[rows])
    planes = G.synthesize_planes(ws, True, "const")
    expected = {
        "3d": G.render_3d(planes, cameras, resolution).image,
        "2d": resize(G.render_2d(planes, ws, cameras).image, resolution),
    }
    found, _ = sampled(G, mode, resolution)
    for branch, images in expected.items():
        torch.testing.assert_close(found[branch], images, atol=1e-4, rtol=1e-4)


def test_modes_differ_in_what_conditions_only(tiny_generator):
    conditioned, independent, fixed = (
        sampled(tiny_generator, mode)[0]["3d"] for mode in ("conditioned", "independent", "fixed")
    )
    assert (conditioned - independent).abs().amax() > 1e-3
    assert (conditioned - fixed).abs().amax() > 1e-3


def test_a_range_of_samples_is_that_part_of_all(tiny_generator):
    whole, _ = sampled(tiny_generator, "independent", batch=1)
    part, _ = sampled(tiny_generator, "independent", batch=1, samples=range(2, 4))
    assert part["3d"].equal(whole["3d"][2:4])


def test_conditioning_cameras_are_independent_of_rendering_ones():
    _, rows = draw_latents(0, 2000, 1, 7, seed=3)
    others = draw_conditioning(0, 2000, 7, seed=3)
    assert (rows == others).float().mean() == pytest.approx(1 / 7, abs=0.03)
    assert torch.equal(draw_conditioning(5, 3, 7, seed=3), others[5:8])
    assert torch.bincount(others).min() > 200


def test_another_number_of_samples_per_ray_shares_the_weights(tiny_generator):
    G = tiny_generator
    assert count_samples_per_ray(G) == 12
    images, resampled = sampled(G, "conditioned", more=(12, 40))
    assert resampled[12].equal(images["3d"])
    assert (resampled[40] - images["3d"]).abs().amax() > 1e-4
    twin = with_samples_per_ray(G, 40)
    rendering = twin.config.rendering
    assert (rendering.depth_resolution, rendering.depth_resolution_importance) == (20, 20)
    assert G.config.rendering.depth_resolution == 6
    assert twin.decoder is G.decoder


@pytest.mark.parametrize("num", [8, 9, 13, 96])
def test_all_samples_are_spent(tiny_generator, num):
    assert count_samples_per_ray(with_samples_per_ray(tiny_generator, num)) == num
