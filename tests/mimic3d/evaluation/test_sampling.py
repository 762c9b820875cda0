import pytest
import torch
from painted_balls import PaintedBalls

from mimic3d.cameras import Scene, cameras_from_labels, orbit_cameras
from mimic3d.evaluation.sampling import SamplingConfig, draw_latents, sample_branches
from mimic3d.metrics.features import resize

SCENE = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))


def test_latents_have_a_seed_of_their_own():
    z, rows = draw_latents(0, 6, 4, 10, seed=3)
    z_later, rows_later = draw_latents(4, 2, 4, 10, seed=3)
    assert torch.equal(z[4:], z_later)
    assert torch.equal(rows[4:], rows_later)
    assert len(z.unique()) == 24
    assert 0 <= rows.min() <= rows.max() < 10


@pytest.mark.parametrize("resolution", [64, 32])
def test_images_of_both_branches_come_from_the_conditioning_cameras(resolution):
    G, num = PaintedBalls(SCENE), 5
    labels = orbit_cameras(torch.linspace(-0.5, 0.5, 7), torch.zeros(7), SCENE).labels()
    batches = list(sample_branches(G, labels, num, resolution, SamplingConfig(batch=2, seed=9)))
    assert [batch.first for batch in batches] == [0, 2, 4]
    z, rows = draw_latents(0, num, 2, 7, seed=9)
    ws = G.mapping(z, labels[rows])
    planes, cameras = G.synthesize_planes(ws, True, "const"), cameras_from_labels(labels[rows])
    expected = {
        "3d": G.render_3d(planes, cameras, resolution).image,
        "2d": resize(G.render_2d(planes, ws, cameras).image, resolution),
    }
    for branch, images in expected.items():
        found = torch.cat([batch.images[branch] for batch in batches])
        torch.testing.assert_close(found, images)
