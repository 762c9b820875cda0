import math

import pytest
import torch
import truth

from mimic3d.cameras import cameras_from_labels, orbit_cameras
from mimic3d.metrics.refit import (
    FIRST_DENSITY,
    RadianceField,
    RefitConfig,
    held_out,
    refit_scores,
    refit_yaws,
)
from mimic3d.rays import Rays

TINY = RefitConfig(num_views=15, voxels=(8, 16, 32), num_steps=80, num_rays=256, num_samples=24)
FEW = TINY.model_copy(update={"num_steps": 3})
NUM, SIDE, BOX = 2, 32, truth.SCENE.box_warp


@pytest.fixture(scope="module")
def views():
    """Two heads from all the yaws, images `n v 3 h w`."""
    yaws = refit_yaws(TINY).repeat(NUM)
    seen = [seed for seed in range(NUM) for _ in range(TINY.num_views)]
    cameras = orbit_cameras(yaws, torch.zeros_like(yaws), truth.SCENE)
    return truth.render(seen, cameras, SIDE).image.unflatten(0, (NUM, TINY.num_views)), cameras


@pytest.fixture(scope="module")
def true(views):
    images, cameras = views
    return refit_scores(images, cameras, BOX, TINY)


def test_24_of_30_views_within_0_4_rad_are_fitted():
    cfg = RefitConfig()
    yaws, out = refit_yaws(cfg), held_out(cfg)
    assert yaws[[0, -1]].tolist() == pytest.approx([-0.4, 0.4])
    assert len(yaws) == 30
    assert out.sum() == 6
    assert not out[0]
    assert not out[-1]
    assert not (out[1:] & out[:-1]).any()


def test_true_renderings_are_explained(true):
    assert true.refit_psnr.min() > 24
    assert true.refit_ssim.min() > 0.85
    assert true.refit_hf.max() < 0.4


def glued(images):
    return images + 0.06 * torch.randn(1, 1, 3, SIDE, SIDE)


def noise(images):
    return images + 0.06 * torch.randn(images.shape)


def drift(images):
    brighter = 1 + 0.5 * refit_yaws(TINY).reshape(1, -1, 1, 1, 1)
    return (images / 2 + 0.5) * brighter * 2 - 1


def frozen(images):
    """The views of one side do not follow the camera, as of an image with no shape behind it."""
    half = TINY.num_views // 2
    still = images[:, half : half + 1].expand(-1, TINY.num_views - half, -1, -1, -1)
    return torch.cat([images[:, :half], still], dim=1)


@pytest.mark.parametrize("fault", [glued, noise, drift, frozen])
def test_what_is_not_in_space_cannot_be_predicted(views, true, fault):
    images, cameras = views
    scores = refit_scores(fault(images), cameras, BOX, TINY)
    assert (scores.refit_psnr < true.refit_psnr - 0.4).all()
    assert (scores.refit_ssim < true.refit_ssim - 0.015).all()


def test_scores_repeat_whatever_the_batch_also_where_nothing_is_recorded(views):
    images, cameras = views
    labels = cameras.labels()[TINY.num_views :]
    whole = refit_scores(images, cameras, BOX, FEW)
    with torch.inference_mode():
        again = refit_scores(images.clone(), cameras.to("cpu"), BOX, FEW)
        alone = refit_scores(images[1:], cameras_from_labels(labels), BOX, FEW)
    torch.testing.assert_close(again.refit_psnr, whole.refit_psnr, rtol=0, atol=0)
    torch.testing.assert_close(alone.refit_psnr, whole.refit_psnr[1:], rtol=1e-4, atol=0)


def test_an_empty_room_of_one_colour_is_no_problem(views):
    images = torch.full_like(views[0], 0.4)
    scores = refit_scores(images, views[1], BOX, TINY)
    assert scores.refit_psnr.min() > 30
    assert scores.refit_hf.isnan().all()


def field(raw):
    """A field of the same raw values everywhere."""
    made = RadianceField(1, 1.0, (4,), torch.device("cpu"))
    made.grids[0].data += torch.tensor(raw).reshape(1, 4, 1, 1, 1)
    return made


def test_light_through_a_fog_has_its_closed_form():
    """A ray along the box and one that misses it."""
    fog = field([0.0, 1.0, 0.0, -1.0])
    fog.behind.data += torch.tensor([2.0, 0.0, -2.0])
    origins = torch.tensor([[[0.1, 0.2, 3.0], [0.9, 0.0, 3.0]]])
    rays = Rays(origins, torch.tensor([[[0.0, 0.0, -1.0]] * 2]))
    middles = torch.full((1, 16), 0.5)
    found = fog.colors(fog.total(), rays, middles)[0]
    behind, inside = fog.behind[0, 0].sigmoid(), torch.tensor([1.0, 0.0, -1.0]).sigmoid()
    passing = math.exp(-FIRST_DENSITY)  # through a box of side 1
    torch.testing.assert_close(found[0], (1 - passing) * inside + passing * behind)
    torch.testing.assert_close(found[1], behind)


def test_a_wall_hides_what_is_behind_it():
    scene = field([0.0, -4.0, -4.0, 4.0])
    scene.grids[0].data[:, 0, 2:] = 30  # z above 0: opaque, but for one cell
    ahead = Rays(torch.tensor([[[0.0, 0.0, 3.0]]]), torch.tensor([[[0.0, 0.0, -1.0]]]))
    color = scene.colors(scene.total(), ahead, torch.full((1, 64), 0.5))
    torch.testing.assert_close(color[0, 0], torch.tensor([-4.0, -4.0, 4.0]).sigmoid())


def test_grids_of_all_sizes_add_up():
    made = RadianceField(1, 1.0, (8, 2, 4), torch.device("cpu"))
    for k, grid in enumerate(made.grids):
        assert grid.shape[-1] == 2 ** (k + 1)
        grid.data += 10.0**k
    torch.testing.assert_close(made.total(), torch.full((1, 4, 8, 8, 8), 111.0))


def test_another_number_of_views_is_refused(views):
    images, cameras = views
    with pytest.raises(ValueError, match="num_views = 15 views of each identity, has 12"):
        refit_scores(images[:, :12], cameras, BOX, TINY)
