import dataclasses

import pytest
import torch
from einops import rearrange

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.metrics.consistency import WarpConfig
from mimic3d.metrics.flow import FlowConfig, epipolar_slice, flow_scores, flow_steps
from mimic3d.metrics.views import PosedView
from mimic3d.rays import cast_rays

WARP, CFG = WarpConfig(), FlowConfig()
SCENE = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))
PITCH = 0.1
NUM = 2


def render(yaw, resolution=48, radius=0.3):
    """A ball with waves of colour, other waves for each identity; nothing behind it."""
    yaws = torch.as_tensor(yaw, dtype=torch.float32).expand(NUM)
    cameras = orbit_cameras(yaws, torch.full((NUM,), PITCH), SCENE)
    rays = cast_rays(cameras, resolution)
    along = (rays.origins * rays.directions).sum(dim=-1)
    inner = along**2 - (rays.origins**2).sum(dim=-1) + radius**2
    hit = inner > 0
    depth = torch.where(hit, -along - inner.clamp(min=0).sqrt(), SCENE.far)
    points = rays.origins + depth[..., None] * rays.directions
    phase = torch.arange(NUM)[:, None, None]
    color = 0.5 * torch.sin(points @ (40 * torch.eye(3) + 15) + phase) * hit[..., None]
    return PosedView(
        rearrange(color, "n (h w) c -> n c h w", h=resolution),
        rearrange(depth, "n (h w) -> n 1 h w", h=resolution),
        rearrange(hit.float(), "n (h w) -> n 1 h w", h=resolution),
        cameras,
    )


@pytest.fixture
def views():
    """Left, middle and right, a step apart."""
    front = render(0.0)
    step = flow_steps(front, PITCH, SCENE, WARP, CFG)
    return render(-step), front, render(step)


def test_a_rigid_ball_moves_as_its_depth_says(views):
    left, middle, right = views
    scores = flow_scores(left, middle, right, WARP)
    assert scores.flow_residual.max() < 0.05
    assert (scores.flow_ratio - 1).abs().max() < 0.2


def test_the_step_moves_texture_by_what_was_asked(views):
    left, middle, right = views
    moved = flow_scores(left, middle, right, WARP).flow_motion_px
    torch.testing.assert_close(moved, torch.full((NUM,), CFG.motion_px), rtol=0.03, atol=0)


def test_a_picture_that_stands_still_is_glued_to_the_screen(views):
    left, middle, right = (dataclasses.replace(view, image=views[1].image) for view in views)
    scores = flow_scores(left, middle, right, WARP)
    torch.testing.assert_close(scores.flow_residual, torch.ones(NUM))
    torch.testing.assert_close(scores.flow_ratio, torch.zeros(NUM))


def test_what_moves_before_a_flat_depth_is_unexplained(views):
    rays = cast_rays(views[1].cameras, 48)
    normal = views[1].cameras.centers / SCENE.radius  # the plane through the pivot
    away = -(rays.origins @ normal[..., None]) / (rays.directions @ normal[..., None])
    flat = rearrange(away, "n (h w) 1 -> n 1 h w", h=48)
    middle = dataclasses.replace(views[1], depth=flat)
    scores = flow_scores(views[0], middle, views[2], WARP)
    assert scores.flow_residual.min() > 0.9
    assert scores.flow_ratio.min() > 10
    assert (flow_steps(middle, PITCH, SCENE, WARP, CFG) > 3 * CFG.motion_px / 48).all()


def test_a_surface_that_cannot_move_gets_the_largest_step():
    front = render(0.0)
    empty = dataclasses.replace(front, alpha=torch.zeros_like(front.alpha))
    still = dataclasses.replace(front, image=torch.zeros_like(front.image))
    for view in (empty, still):
        steps = flow_steps(view, PITCH, SCENE, WARP, CFG)
        torch.testing.assert_close(steps, torch.full((NUM,), CFG.largest_step_rad))
    assert flow_scores(front, empty, front, WARP).flow_residual.isnan().all()


def test_the_residual_equals_a_plain_loop(views):
    """The sums of the definition in float64, pixel by pixel."""
    left, middle, right = views
    found, side, n = flow_scores(left, middle, right, WARP), 48, 1
    rays = cast_rays(middle.cameras, side)
    points = (rays.origins + middle.depth.reshape(NUM, -1, 1) * rays.directions)[n].double()

    def filtered(view):
        taps = torch.exp(-(torch.arange(-3, 4).double() ** 2) / (2 * 0.7**2))
        kernel = torch.outer(taps, taps) / taps.sum() ** 2
        windows = (view.image[n].double() / 2 + 0.5).unfold(1, 7, 1).unfold(2, 7, 1)
        return (windows * kernel).sum(dim=(-1, -2))  # starts at pixel 3

    def position(view, index):
        world_to_camera = torch.linalg.inv(view.cameras.cam2world[n].double())
        x, y, z, _ = world_to_camera @ torch.cat([points[index], torch.ones(1).double()])
        return SCENE.focal * x / z * side, SCENE.focal * y / z * side

    before, image, after = (filtered(view) for view in views)
    hit, sums = middle.alpha[n, 0] > 0.99, [0.0, 0.0, 0.0]
    edge = [  # depth changes by more than 0.05 * 128 / 48 per pixel
        (middle.depth[n, 0].diff(dim=axis).abs() > 0.1) for axis in (0, 1)
    ]
    for i in range(4, side - 4):
        for j in range(4, side - 4):
            near = (
                (slice(i - 2, i + 2), slice(j - 1, j + 2)),
                (slice(i - 1, i + 2), slice(j - 2, j + 2)),
            )
            if not hit[i, j] or any(
                steps[where].any() for steps, where in zip(edge, near, strict=True)
            ):
                continue
            (u0, v0), (u1, v1) = (position(view, i * side + j) for view in (left, right))
            p, q = i - 3, j - 3
            across = (image[:, p, q + 1] - image[:, p, q - 1]) / 2
            down = (image[:, p + 1, q] - image[:, p - 1, q]) / 2
            predicted = -(across * (u1 - u0) / 2 + down * (v1 - v0) / 2)
            seen = (after[:, p, q] - before[:, p, q]) / 2
            for k, value in enumerate((seen - predicted, seen, predicted)):
                sums[k] += float((value**2).sum())
    assert found.flow_residual[n] == pytest.approx(sums[0] / (sums[1] + sums[2]), rel=0.03)
    assert found.flow_ratio[n] == pytest.approx(sums[1] / sums[2], rel=0.03)


def test_an_epipolar_slice_holds_one_row_of_every_view():
    sweep = torch.rand(5, 3, 8, 12)
    found = epipolar_slice(sweep, 3)
    assert found.shape == (3, 5, 12)
    torch.testing.assert_close(found[:, 2], sweep[2, :, 3])
