"""The metrics tell true renderings from broken ones, each by the scores that should see it."""

import dataclasses

import pytest
import torch
import truth
from torch.nn import functional as F

from mimic3d.metrics.consistency import WarpConfig, pair_scores
from mimic3d.metrics.features import to_uint8
from mimic3d.metrics.flatness import flatness
from mimic3d.metrics.flow import FlowConfig, flow_scores, flow_steps
from mimic3d.metrics.sliced_wasserstein import (
    PatchConfig,
    merge_patches,
    sample_patches,
    sliced_wasserstein,
)
from mimic3d.rays import cast_rays

HEADS = range(3)
SIDE = 80
BASELINES = (0.05, 0.2, 0.4, 0.6)
WARP = WarpConfig()
PATCHES = PatchConfig(patches_per_image=128)


def rng_of(yaw):
    return torch.Generator().manual_seed(round(10_000 + 10_000 * float(yaw)))


def enlarged(view, _):
    """Rendered at half the resolution, enlarged in 2D."""
    small = F.avg_pool2d(view.image, 2)
    image = F.interpolate(small, scale_factor=2, mode="bicubic", align_corners=False)
    return dataclasses.replace(view, image=image)


def glued(view, _):
    """A texture of 3 % that stays on the screen."""
    pattern = torch.randn(1, 3, SIDE, SIDE, generator=rng_of(0.0))
    return dataclasses.replace(view, image=view.image + 0.06 * pattern)


def noise(view, yaw):
    """Noise of 3 %, other noise in every view."""
    fresh = torch.randn(view.image.shape, generator=rng_of(yaw))
    return dataclasses.replace(view, image=view.image + 0.06 * fresh)


def drift(view, yaw):
    """Brightness that changes by 10 % over 0.6 rad."""
    brighter = (view.image / 2 + 0.5) * (1 + 0.1 * yaw / 0.6)
    return dataclasses.replace(view, image=brighter * 2 - 1)


def depth_noise(view, yaw):
    fresh = torch.randn(view.depth.shape, generator=rng_of(yaw))
    return dataclasses.replace(view, depth=view.depth + 0.01 * fresh)


def depth_bias(view, _):
    return dataclasses.replace(view, depth=view.depth + 0.05)


def billboard(view, _):
    """The right pictures, on the plane z = 0.2."""
    rays = cast_rays(view.cameras, SIDE)
    depth = (0.2 - rays.origins[..., 2]) / rays.directions[..., 2]
    return dataclasses.replace(view, depth=depth.reshape(view.depth.shape))


def nothing(view, _):
    return view


FAULTS = (nothing, enlarged, glued, noise, drift, depth_noise, depth_bias, billboard)


@pytest.fixture(scope="module", params=["constant", "room"])
def table(request):
    """Scores by fault, a number per head in every cell."""

    def shoot(yaw):
        return truth.orbit(HEADS, yaw, SIDE, request.param)

    views = {yaw: shoot(yaw) for yaw in (0.0, *BASELINES)}
    step = flow_steps(views[0.0], 0.0, truth.SCENE, WARP, FlowConfig())
    assert (step < FlowConfig().largest_step_rad).all()
    left, right = shoot(-step), shoot(step)
    return {
        fault.__name__: score(fault, views, left, right) | sharpness(fault, views)
        for fault in FAULTS
    }


def sharpness(fault, views):
    """Sliced Wasserstein distance of the finest level from true pictures of other sides."""

    def patches(images):
        return merge_patches([sample_patches(to_uint8(image), 0, PATCHES) for image in images])

    true = patches([views[yaw].image for yaw in (0.2, 0.6)])
    broken = patches([fault(views[yaw], yaw).image for yaw in (0.0, 0.4)])
    found = sliced_wasserstein(true, broken, PATCHES)
    return {"swd": torch.tensor([found[max(found)]])}


def score(fault, views, left, right):
    broken = {yaw: fault(view, yaw) for yaw, view in views.items()}
    cells = {}
    for yaw in BASELINES:
        pair = vars(pair_scores(broken[0.0], broken[yaw], WARP))
        cells |= {f"{name}_at_{yaw}": value for name, value in pair.items()}
    outer = fault(left, -0.04), fault(right, 0.04)
    front = broken[0.0]
    cells |= vars(flow_scores(outer[0], front, outer[1], WARP))
    return cells | vars(flatness(front.depth, front.alpha, truth.SCENE.near, truth.SCENE.far))


# Whether a score has seen a fault: it is worse than that of the truth by dB, factor or difference.
SEES = {
    "warp_psnr_at_0.05": lambda fault, true: fault < true - 1.5,
    "warp_psnr_at_0.2": lambda fault, true: fault < true - 1,
    "warp_psnr_at_0.4": lambda fault, true: fault < true - 2,
    "warp_psnr_at_0.6": lambda fault, true: fault < true - 2,
    "warp_ssim_at_0.2": lambda fault, true: fault < true - 0.02,
    "warp_hf_at_0.05": lambda fault, true: fault > 1.25 * true,
    "warp_hf_at_0.6": lambda fault, true: fault > 1.25 * true,
    "depth_xview_at_0.4": lambda fault, true: fault > 5 * true,
    "depth_contra_at_0.4": lambda fault, true: fault > true + 0.02,
    "flow_residual": lambda fault, true: fault > true + 0.02,
    "nfs": lambda fault, true: fault < 0.7 * true,
    "swd": lambda fault, true: fault > 1.25 * true,
}
PSNR = {f"warp_psnr_at_{baseline}" for baseline in BASELINES}
FINE = {"warp_hf_at_0.05", "warp_hf_at_0.6"}
DEPTH = {"depth_xview_at_0.4", "depth_contra_at_0.4"}
SEEN_BY = {
    "enlarged": {"warp_hf_at_0.6", "swd"},
    "glued": PSNR | FINE | {"warp_ssim_at_0.2", "swd"},
    "noise": PSNR | FINE | {"warp_ssim_at_0.2", "flow_residual", "swd"},
    "drift": {"warp_psnr_at_0.4", "warp_psnr_at_0.6"},
    "depth_noise": DEPTH,
    "depth_bias": PSNR | FINE | DEPTH | {"warp_ssim_at_0.2", "flow_residual"},
    "billboard": PSNR | FINE | {"warp_ssim_at_0.2", "flow_residual", "nfs"},
}
MISSED_BY = {
    "enlarged": PSNR | DEPTH | {"warp_hf_at_0.05", "nfs"},
    "glued": DEPTH | {"nfs"},
    "noise": DEPTH | {"nfs"},
    "drift": {"warp_psnr_at_0.05", "warp_ssim_at_0.2", "nfs", "swd"} | FINE | DEPTH,
    "depth_noise": {"warp_psnr_at_0.05", "flow_residual", "nfs", "swd"},
    "depth_bias": {"nfs", "swd"},
    "billboard": DEPTH | {"swd"},
}


@pytest.mark.parametrize("fault", SEEN_BY)
def test_each_fault_is_seen_by_the_scores_that_should(table, fault):
    broken, true = table[fault], table["nothing"]
    seen = {name for name, sees in SEES.items() if sees(broken[name].mean(), true[name].mean())}
    assert SEEN_BY[fault] <= seen
    assert not MISSED_BY[fault] & seen


def test_no_score_is_a_verdict_alone():
    for name in SEES:
        assert any(name in missed for missed in MISSED_BY.values()), name
        assert any(name in seen for seen in SEEN_BY.values()), name


def test_truth_raises_no_alarm(table):
    true = table["nothing"]
    assert true["warp_psnr_at_0.05"].mean() > 34
    assert true["warp_psnr_at_0.6"].mean() > 30
    assert true["warp_hf_at_0.05"].mean() < 0.2
    assert (true["depth_contra_at_0.4"] <= 0.02).all()
    assert (true["flow_residual"] <= 0.15).all()
    assert (true["nfs"] >= 3.5).all()
    coverage = torch.stack([true[f"warp_cov_at_{baseline}"] for baseline in BASELINES])
    assert (coverage.diff(dim=0) < 0).all()


def test_blur_raises_psnr(table):
    """The trap of the table: worse pictures, a better score."""
    blurred, true = table["enlarged"], table["nothing"]
    assert blurred["warp_psnr_at_0.05"].mean() > true["warp_psnr_at_0.05"].mean() + 0.5


def test_a_billboard_agrees_with_itself_better_than_truth(table):
    """Why the depth error must never stand alone either."""
    flat, true = table["billboard"], table["nothing"]
    assert flat["depth_xview_at_0.4"].mean() < 0.1 * true["depth_xview_at_0.4"].mean()
    assert flat["warp_cov_at_0.4"].mean() > true["warp_cov_at_0.4"].mean()
    assert flat["flow_residual"].min() > 0.8
    assert flat["flow_ratio"].min() > 10
    assert flat["nfs"].max() < 3.5
