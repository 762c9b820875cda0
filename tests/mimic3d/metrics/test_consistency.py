import dataclasses
import math

import pytest
import torch
from einops import rearrange
from torch.nn import functional as F

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.metrics.consistency import PosedView, WarpConfig, pair_scores, ssim_map, warp
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


def screen_glued(view, _):
    side = view.image.shape[-1]
    pattern = 0.06 * torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    return dataclasses.replace(view, image=view.image + pattern)


def view_noise(view, yaw):
    rng = torch.Generator().manual_seed(int(1000 * yaw))
    noise = 0.06 * torch.randn(view.image.shape, generator=rng)
    return dataclasses.replace(view, image=view.image + noise)


def brightness_drift(view, yaw):
    return dataclasses.replace(view, image=view.image + yaw * 0.3)


def half_resolution(view, _):
    small = F.avg_pool2d(view.image, 2)
    image = F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False)
    return dataclasses.replace(view, image=image)


def depth_noise(view, yaw):
    rng = torch.Generator().manual_seed(int(1000 * yaw))
    noise = 0.01 * torch.randn(view.depth.shape, generator=rng)
    return dataclasses.replace(view, depth=view.depth + noise)


def depth_bias(view, _):
    return dataclasses.replace(view, depth=view.depth + 0.05)


def billboard(view, _):
    """The right pictures on the plane z = 0.2."""
    rays = cast_rays(view.cameras, view.image.shape[-1])
    depth = (0.2 - rays.origins[..., 2]) / rays.directions[..., 2]
    return dataclasses.replace(view, depth=rearrange(depth, "n (h w) -> n 1 h w", h=96))


FAULTS = [
    screen_glued, view_noise, brightness_drift, half_resolution, depth_noise, depth_bias, billboard
]  # fmt: skip


def means(fault, baseline):
    views = [render(yaw) for yaw in (0.0, baseline)]
    if fault is not None:
        views = [fault(view, yaw) for view, yaw in zip(views, (0.0, baseline), strict=True)]
    scores = pair_scores(*views, CFG)
    return {name: value.mean().item() for name, value in vars(scores).items()}


@pytest.fixture(scope="module")
def table():
    """Table 3.6 in small: fault by baseline."""
    return {
        ("truth" if fault is None else fault.__name__, baseline): means(fault, baseline)
        for fault in (None, *FAULTS)
        for baseline in (0.05, 0.3)
    }


def test_truth_scores_high(table):
    near, wide = table["truth", 0.05], table["truth", 0.3]
    assert near["warp_psnr"] > 38
    assert wide["warp_psnr"] > 35
    assert near["warp_ssim"] > 0.98
    assert near["warp_hf"] < 0.1
    assert near["warp_cov"] > wide["warp_cov"] > 0.5
    assert wide["depth_xview"] < 1e-3
    assert wide["depth_contra"] < 0.01


@pytest.mark.parametrize(
    ("fault", "baseline", "drop"),
    [
        ("screen_glued", 0.3, 4), ("view_noise", 0.05, 6), ("view_noise", 0.3, 4),
        ("brightness_drift", 0.3, 4), ("depth_bias", 0.05, 4), ("depth_bias", 0.3, 10),
        ("billboard", 0.05, 10), ("billboard", 0.3, 10),
    ],
)  # fmt: skip
def test_psnr_catches(table, fault, baseline, drop):
    assert table[fault, baseline]["warp_psnr"] < table["truth", baseline]["warp_psnr"] - drop


@pytest.mark.parametrize("fault", ["screen_glued", "view_noise", "depth_bias", "billboard"])
def test_high_frequencies_and_similarity_catch(table, fault):
    assert table[fault, 0.3]["warp_hf"] > 2 * table["truth", 0.3]["warp_hf"]
    assert table[fault, 0.3]["warp_ssim"] < table["truth", 0.3]["warp_ssim"] - 0.01


def test_a_drift_of_brightness_shows_at_wide_baselines_only(table):
    near = table["truth", 0.05]["warp_psnr"] - table["brightness_drift", 0.05]["warp_psnr"]
    wide = table["truth", 0.3]["warp_psnr"] - table["brightness_drift", 0.3]["warp_psnr"]
    assert wide > near + 3
    drifted, truth = table["brightness_drift", 0.3], table["truth", 0.3]
    assert drifted["warp_hf"] == pytest.approx(truth["warp_hf"], rel=0.05)


def test_psnr_rewards_blur():
    """Why it must never stand alone: blurring what is wrong looks like an improvement."""
    views = [view_noise(render(yaw), yaw) for yaw in (0.0, 0.3)]
    blurred = [half_resolution(view, 0) for view in views]
    sharp, soft = pair_scores(*views, CFG), pair_scores(*blurred, CFG)
    assert soft.warp_psnr.mean() > sharp.warp_psnr.mean() + 3


def test_depth_error_catches_noisy_depth_and_misses_the_billboard(table):
    assert table["depth_noise", 0.3]["depth_xview"] > 10 * table["truth", 0.3]["depth_xview"]
    assert table["billboard", 0.3]["depth_xview"] < 1e-4


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


def test_similarity_equals_a_plain_loop():
    a, b = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    mask = (torch.rand(1, 1, 16, 16) > 0.3).float()
    found = ssim_map(a, b, mask)[0, 0]
    c1, c2 = 0.01**2, 0.03**2
    for i, j in [(8, 8), (0, 3), (15, 15)]:
        values = []
        for channel in range(3):
            pixels = [
                (
                    math.exp(-((i - k) ** 2 + (j - m) ** 2) / (2 * 1.5**2)),
                    a[0, channel, k, m].item(),
                    b[0, channel, k, m].item(),
                )
                for k in range(max(0, i - 5), min(16, i + 6))
                for m in range(max(0, j - 5), min(16, j + 6))
                if mask[0, 0, k, m]
            ]
            total = sum(w for w, _, _ in pixels)
            p, q = (sum(x[0] * x[k] for x in pixels) / total for k in (1, 2))
            vp, vq, cov = (
                sum(x[0] * x[k] * x[m] for x in pixels) / total for k, m in ((1, 1), (2, 2), (1, 2))
            )
            vp, vq, cov = vp - p * p, vq - q * q, cov - p * q
            values.append(
                (2 * p * q + c1) * (2 * cov + c2) / ((p * p + q * q + c1) * (vp + vq + c2))
            )
        assert found[i, j].item() == pytest.approx(sum(values) / 3, abs=1e-4)
