import pytest
import torch
from torch.testing import assert_close

from mimic3d.inversion.encoder_samples import (
    DisturbanceConfig,
    PoolConfig,
    augment_images,
    draw_parameters,
    draw_pool,
    find_extent,
)
from mimic3d.inversion.view_parameters import cameras_from_parameters
from mimic3d.metrics.features import to_uint8
from mimic3d.surfaces.pose_range import PoseRange

CFG = PoolConfig(num_objects=3, num_views=2, batch=2)
QUIET = DisturbanceConfig(brightness=0, contrast=0, noise=0, shift_px=0, blur=False)


def test_a_pool_holds_what_the_generator_makes_of_its_styles_and_cameras(G, label):
    pool = draw_pool(G, label, 16, CFG, seed=1, number=4)
    for index in range(3):
        for view in range(2):
            cameras = cameras_from_parameters(pool.parameters[index, view][None], G.scene)
            ws = pool.w[index].expand(1, G.mapping.num_ws, -1)
            image = to_uint8(G.render(ws, cameras, "3d").image)[0]
            assert (image.int() - pool.images[index, view].int()).abs().max() <= 1


def test_seed_and_number_alone_decide(G, label):
    first = draw_pool(G, label, 16, CFG, 1, 4)
    again = draw_pool(G, label, 16, CFG, 1, 4)
    assert torch.equal(first.images, again.images)
    for seed, number in ((2, 4), (1, 5)):
        other = draw_pool(G, label, 16, CFG, seed, number)
        assert not torch.equal(other.w, first.w)
        assert not torch.equal(other.parameters, first.parameters)


def test_cameras_fill_the_range_and_jitter_has_its_deviations():
    cfg = PoolConfig(roll_std_rad=0.1, offset_std=0.03)
    drawn = draw_parameters(PoseRange(0.5, 0.2), cfg, 4000, torch.Generator().manual_seed(0))
    assert_close(drawn[:, :2].abs().amax(dim=0), torch.tensor([0.5, 0.2]), atol=0, rtol=0.01)
    expected = torch.tensor([0.5 / 3**0.5, 0.2 / 3**0.5, 0.1, 0.03, 0.03, 0.03])
    assert_close(drawn.std(dim=0), expected, atol=0, rtol=0.05)
    assert_close(drawn.mean(dim=0), torch.zeros(6), atol=0.02, rtol=0)


def test_a_range_that_is_given_is_taken(label):
    extent = find_extent(label, PoolConfig(yaw_rad=0.7))
    assert extent.yaw_rad == 0.7
    assert extent.pitch_rad == find_extent(label, PoolConfig()).pitch_rad


def test_nothing_is_disturbed_when_nothing_is_asked_for():
    images = torch.randn(3, 3, 16, 16).clamp(-1, 1)
    rng = torch.Generator().manual_seed(0)
    assert_close(augment_images(images, QUIET, rng), images)


@pytest.mark.parametrize(
    "change",
    [{"brightness": 0.2}, {"contrast": 0.2}, {"noise": 0.1}, {"shift_px": 2}, {"blur": True}],
)
def test_each_disturbance_changes_every_image_by_a_bounded_amount(change):
    images = torch.nn.functional.interpolate(torch.rand(6, 3, 4, 4) * 2 - 1, 16, mode="bilinear")
    cfg = QUIET.model_copy(update=change)
    disturbed = augment_images(images, cfg, torch.Generator().manual_seed(0))
    difference = (disturbed - images).abs().mean(dim=(1, 2, 3))
    assert (difference > 0).sum() >= 5  # a shift of 0 by 0 may be drawn
    assert difference.max() < 0.35
    again = augment_images(images, cfg, torch.Generator().manual_seed(0))
    assert torch.equal(disturbed, again)


def test_a_constant_image_has_no_shift_and_no_blur():
    images = torch.full((2, 3, 16, 16), 0.3)
    cfg = QUIET.model_copy(update={"shift_px": 2, "blur": True})
    assert_close(augment_images(images, cfg, torch.Generator().manual_seed(0)), images)
