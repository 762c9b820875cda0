import math

import pytest
import torch

from mimic3d.metrics.flatness import flatness, flatness_3dgp

NEAR, FAR = 2.0, 3.0


def score(depth, alpha=None):
    return flatness(depth, torch.ones_like(depth) if alpha is None else alpha, NEAR, FAR)


def test_a_plane_is_one_and_all_depths_alike_are_64():
    plane = torch.full((1, 1, 8, 8), 2.5)
    spread = ((torch.arange(64) + 0.5) / 64 + NEAR).reshape(1, 1, 8, 8)
    found = score(torch.cat([plane, spread]))
    torch.testing.assert_close(found.nfs, torch.tensor([1.0, 64.0]))
    torch.testing.assert_close(found.nfs_fg, torch.tensor([1.0, 64.0]))


def test_two_depths_by_hand():
    depth = torch.full((1, 1, 2, 2), 2.2)
    depth[..., 0, 0] = 2.8
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert score(depth).nfs.item() == pytest.approx(math.exp(entropy), rel=1e-5)


def test_depths_outside_near_and_far_count_at_the_ends():
    depth = torch.tensor([0.0, 2.001, 2.999, 9.0]).reshape(1, 1, 2, 2)
    assert score(depth).nfs.item() == pytest.approx(2, rel=1e-5)


def test_empty_background_is_far_and_no_foreground():
    depth = torch.tensor([2.2, 2.4, 2.6, 2.1]).reshape(1, 1, 2, 2)
    alpha = torch.tensor([1.0, 1.0, 0.49, 0.0]).reshape(1, 1, 2, 2)
    found = score(depth, alpha)
    halves = math.exp(-(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)))
    assert found.nfs.item() == pytest.approx(halves, rel=1e-5)
    assert found.nfs_fg.item() == pytest.approx(2, rel=1e-5)
    nothing = score(depth, torch.zeros_like(depth))
    assert nothing.nfs.item() == pytest.approx(1, rel=1e-5)
    assert nothing.nfs_fg.isnan().all()


def surfaces(num, density):
    """A 2 x 2 image whose four rays meet a thick surface in four different intervals."""
    densities = torch.zeros(num, 2, 2, 4)
    for ray in range(4):
        densities[:, ray // 2, ray % 2, ray] = density
    edges = torch.linspace(NEAR, FAR, 5).expand(num, 2, 2, 5)
    return densities, edges


def test_the_published_variant_of_four_surfaces():
    densities, edges = surfaces(1, 1000.0)
    torch.testing.assert_close(flatness_3dgp(densities, edges, NEAR, FAR), torch.tensor([4.0]))


def test_the_published_variant_does_not_divide_by_alpha():
    """Half of the light passes, so that depth is half as large, clamped to near: a plane."""
    densities, edges = surfaces(1, math.log(2) / 0.25)
    torch.testing.assert_close(flatness_3dgp(densities, edges, NEAR, FAR), torch.tensor([1.0]))


def test_the_published_cut_depends_on_the_batch():
    """Densities below the median of the whole batch are cut: a denser neighbour empties a scene."""
    thin, edges = surfaces(1, 1000.0)
    thin = thin + 0.01  # a fog in all intervals, so that the median lies above 0
    alone = flatness_3dgp(thin, edges, NEAR, FAR)
    dense = torch.full_like(thin, 5000.0)
    both = flatness_3dgp(torch.cat([thin, dense, dense]), edges.expand(3, -1, -1, -1), NEAR, FAR)
    assert alone.item() == pytest.approx(4, rel=1e-3)
    assert both[0].item() == pytest.approx(1, rel=1e-5)


def test_the_published_weights_equal_a_plain_loop():
    densities = torch.rand(1, 1, 1, 6) * 8 + 1
    edges = torch.linspace(0, 6, 7).reshape(1, 1, 1, 7)
    kept = torch.where(densities < densities.median(), 0.0, densities)
    light, depth = 1.0, 0.0
    for k in range(6):
        alpha = 1 - math.exp(-kept[0, 0, 0, k].item())
        depth += light * alpha * (k + 0.5)
        light *= 1 - alpha
    # two pixels: this one and an opaque one in the same bin of depth give 1, in another bin 2
    for other, expected in ((depth, 1.0), (depth + 0.2, 2.0)):
        wall = torch.full((1, 1, 1, 6), 0.0)
        wall[..., int(other)] = 1e4
        exact = edges + (other - int(other) - 0.5)
        found = flatness_3dgp(
            torch.cat([kept, wall], dim=2), torch.cat([edges, exact], dim=2), 0.0, 6.0
        )
        assert found.item() == pytest.approx(expected, rel=1e-4)
