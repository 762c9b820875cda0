import dataclasses

import pytest
import torch
from einops import rearrange

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.metrics.consistency import WarpConfig, pair_scores, warp, warp_distance
from mimic3d.metrics.views import PosedView
from mimic3d.rays import cast_rays

CFG = WarpConfig()
SCENE = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))
BALLS = [((0.0, 0.0, 0.0), 0.25), ((0.05, 0.0, 0.25), 0.06)]  # a head and its nose
NUM = 2


def texture(points):
    """Smooth colours in space, others for each identity."""
    phase = torch.arange(NUM)[:, None, None]
    waves = torch.stack([points[..., 0], points[..., 1], points[..., 2]], dim=-1) @ FREQUENCIES
    return 0.4 * torch.sin(waves + phase) + 0.2 * torch.sin(2.3 * waves.flip(-1) + 2 * phase)


FREQUENCIES = torch.tensor([[40.0, 9, 14], [7.0, 45, -20], [11.0, -12, 38]])


def render(yaw, resolution=96, balls=BALLS):
    """Two balls by ray intersection; black and far where nothing is."""
    cameras = orbit_cameras(torch.full((NUM,), yaw), torch.zeros(NUM), SCENE)
    rays = cast_rays(cameras, resolution)
    depth = torch.full(rays.origins.shape[:2], torch.inf)
    for center, radius in balls:
        offset = rays.origins - torch.tensor(center)
        along = (offset * rays.directions).sum(dim=-1)
        inner = along**2 - (offset**2).sum(dim=-1) + radius**2
        hit = torch.where(inner > 0, -along - inner.clamp(min=0).sqrt(), torch.inf)
        depth = torch.minimum(depth, hit)
    seen = depth.isfinite()
    depth = torch.where(seen, depth, SCENE.far)
    color = texture(rays.origins + depth[..., None] * rays.directions) * seen[..., None]
    return PosedView(
        rearrange(color, "n (h w) c -> n c h w", h=resolution),
        rearrange(depth, "n (h w) -> n 1 h w", h=resolution),
        rearrange(seen.float(), "n (h w) -> n 1 h w", h=resolution),
        cameras,
    )


def test_truth_scores_high():
    front, near, wide = render(0.0), render(0.05), render(0.3)
    near, wide = pair_scores(front, near, CFG), pair_scores(front, wide, CFG)
    assert near.warp_psnr.min() > 38
    assert wide.warp_psnr.min() > 35
    assert near.warp_ssim.min() > 0.98
    assert near.warp_hf.max() < 0.1
    assert (near.warp_cov > wide.warp_cov).all()
    assert wide.warp_cov.min() > 0.5
    assert wide.depth_xview.max() < 1e-3


def test_looking_through_a_surface_is_told_from_occlusion():
    front, side = render(0.0), render(0.3)
    hollow = dataclasses.replace(side, depth=side.depth + 0.1)
    contradicted = pair_scores(front, hollow, CFG).depth_contra.mean()
    assert contradicted > 0.3  # one of the two directions: the other one sees occlusion
    assert pair_scores(front, side, CFG).depth_contra.mean() < 0.01


def test_what_the_other_view_cannot_see_is_neither_error_nor_contradiction():
    apart = [((0.0, 0.0, 0.0), 0.25), ((0.0, 0.0, 0.45), 0.08)]  # hides other parts in each view
    free = pair_scores(render(0.0, balls=apart[:1]), render(0.3, balls=apart[:1]), CFG)
    hidden = pair_scores(render(0.0, balls=apart), render(0.3, balls=apart), CFG)
    assert (hidden.warp_cov < free.warp_cov - 0.1).all()
    assert (hidden.warp_psnr > free.warp_psnr - 3).all()
    assert hidden.depth_contra.max() < 0.01


def wall(step, resolution):
    """A view that is full of a surface; depth grows by `step` from column to column."""
    cameras = orbit_cameras(torch.zeros(1), torch.zeros(1), SCENE)
    depth = 2.5 + step * torch.arange(resolution).expand(1, 1, resolution, resolution)
    return PosedView(torch.zeros(1, 3, *depth.shape[2:]), depth, torch.ones_like(depth), cameras)


def test_the_outermost_pixels_are_left_out():
    view = wall(0.0, 32)
    assert pair_scores(view, view, CFG).warp_cov.item() == pytest.approx((30 / 32) ** 2)


@pytest.mark.parametrize("resolution", [32, 64, 256])
def test_an_edge_is_a_slope_whatever_the_resolution(resolution):
    """0.05 per pixel at 128 pixels, in proportion elsewhere."""
    per_pixel = 0.05 * 128 / resolution
    slanted, edge = wall(0.9 * per_pixel, resolution), wall(1.1 * per_pixel, resolution)
    assert warp(slanted, slanted, CFG).candidates.float().mean() > 0.8
    assert not warp(edge, edge, CFG).candidates[..., 1:-1, 1:-1].any()


def test_a_view_agrees_with_itself():
    view = render(0.1)
    scores = pair_scores(view, view, CFG)
    assert scores.warp_psnr.min() > 90
    assert scores.depth_xview.max() < 1e-5
    torch.testing.assert_close(scores.warp_ssim, torch.ones(NUM))
    edges = 1 - scores.warp_cov
    assert edges.max() < 0.35


def test_identities_are_scored_each_on_their_own():
    a, b = render(0.0), render(0.2)
    noisy = b.image.clone()
    noisy[1] += 0.2 * torch.randn_like(noisy[1])
    clean, spoilt = pair_scores(a, b, CFG), pair_scores(a, dataclasses.replace(b, image=noisy), CFG)
    assert clean.warp_psnr[0] == spoilt.warp_psnr[0]
    assert clean.warp_psnr[1] > spoilt.warp_psnr[1] + 5


def test_nothing_in_sight_is_undefined_not_perfect():
    a = render(0.0)
    empty = dataclasses.replace(a, alpha=torch.zeros_like(a.alpha))
    scores = pair_scores(a, empty, CFG)
    assert scores.warp_psnr.isnan().all()
    assert scores.warp_cov.max() == 0


def test_warped_pixels_equal_a_plain_loop():
    target, source = render(0.0, 32), render(0.2, 32)
    found = warp(target, source, CFG)
    rays = cast_rays(target.cameras, 32)
    n, compared = 1, 0
    for i, j in [(16, 16), (12, 18), (20, 13), (14, 10)]:
        point = (
            rays.origins[n, 32 * i + j] + target.depth[n, 0, i, j] * rays.directions[n, 32 * i + j]
        )
        local = torch.linalg.inv(source.cameras.cam2world[n].double()) @ torch.cat(
            [point.double(), torch.ones(1, dtype=torch.float64)]
        )
        x, y = (SCENE.focal * local[:2] / local[2] + 0.5) * 32 - 0.5
        left, top = int(x), int(y)
        weights = {
            (top + k, left + m): (1 - abs(y - top - k)) * (1 - abs(x - left - m))
            for k in (0, 1)
            for m in (0, 1)
        }
        color = sum(w * source.image[n, :, p, q].double() for (p, q), w in weights.items())
        seen = sum(w * source.depth[n, 0, p, q].double() for (p, q), w in weights.items())
        torch.testing.assert_close(
            found.image[n, :, i, j].double(), color / 2 + 0.5, atol=1e-4, rtol=0
        )
        assert found.excess[n, 0, i, j] == pytest.approx(float(seen - local[:3].norm()), abs=1e-4)
        compared += 1
    assert compared == 4


def test_a_perceptual_distance_is_that_of_the_compared_pixels():
    """Twice as many compared pixels with the same error are no larger distance."""

    def squared(image, target):
        return ((image - target) ** 2).mean(dim=(1, 2, 3))

    a, b = render(0.0), render(0.2)
    found = warp_distance(a, b, CFG, squared)
    scores = pair_scores(a, b, CFG)
    mean_of_psnr = 4 * 10 ** (-scores.warp_psnr / 10)  # 4: in [-1, 1] errors are twice as large
    torch.testing.assert_close(found, mean_of_psnr, rtol=0.05, atol=0)
    hidden = dataclasses.replace(b, alpha=torch.zeros_like(b.alpha))
    assert warp_distance(a, hidden, CFG, squared).isnan().all()
