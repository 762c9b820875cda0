import torch
from torch.testing import assert_close

from mimic3d.rendering.depths import importance_depths, stratified_depths, uniform_draws

NEAR, FAR = 2.0, 3.0
RAYS = torch.zeros(2, 5, 3)


def test_one_depth_in_each_bin():
    middles = stratified_depths(NEAR, FAR, 10, RAYS, None)
    assert_close(middles[0, 0], torch.linspace(2.05, 2.95, 10))
    drawn = stratified_depths(NEAR, FAR, 10, RAYS, uniform_draws(torch.Generator().manual_seed(0)))
    assert ((drawn - NEAR) * 10).floor().equal(torch.arange(10.0).expand(2, 5, 10))
    assert drawn.std() > 0
    assert not drawn[0].equal(drawn[1])


def test_importance_samples_follow_the_weights_without_bias():
    depths = stratified_depths(NEAR, FAR, 21, RAYS, None)
    for interval in (2, 9, 17):
        weights = torch.zeros(2, 5, 20)
        weights[..., interval] = 1e4  # drowns the floor
        new = importance_depths(depths, weights, 4000, None)
        width = depths[0, 0, 1] - depths[0, 0, 0]
        center = depths[..., interval : interval + 2].mean()
        assert abs((new.mean() - center) / width) < 0.02
        legacy = importance_depths(depths, weights, 4000, None, legacy=True)
        assert abs((legacy.mean() - center) / width + 0.5) < 0.02  # half a bin too near


def test_importance_reaches_the_last_bin_which_the_reference_never_does():
    depths = stratified_depths(NEAR, FAR, 12, RAYS, None)
    weights = torch.zeros(2, 5, 11)
    weights[..., -1] = 1
    assert importance_depths(depths, weights, 64, None).max() > depths[0, 0, -2]
    assert importance_depths(depths, weights, 64, None, legacy=True).max() < depths[0, 0, -2]


def test_random_draws_are_stratified_and_reproducible():
    depths = stratified_depths(NEAR, FAR, 8, RAYS, None)
    weights = torch.ones(2, 5, 7)
    first = importance_depths(depths, weights, 7, uniform_draws(torch.Generator().manual_seed(1)))
    again = importance_depths(depths, weights, 7, uniform_draws(torch.Generator().manual_seed(1)))
    assert first.equal(again)
    inside = (first >= depths[..., :-1]) & (first <= depths[..., 1:])
    assert inside.all()  # equal weights: one draw in each interval
