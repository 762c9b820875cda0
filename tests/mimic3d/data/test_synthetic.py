import math

import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import mirror_cameras, orbit_cameras, project
from mimic3d.data.parallel import ordered_map
from mimic3d.data.poses.synthetic import SYNTHETIC_SCENE, SyntheticConfig, SyntheticPoses
from mimic3d.data.schema import EVAL_YAWS_RAD
from mimic3d.data.sources import plan_synthetic
from mimic3d.data.synthetic.head import distance
from mimic3d.data.synthetic.identity import HEAD_SCALE, sample_identity
from mimic3d.data.synthetic.render import ROOM, Photographer
from mimic3d.data.synthetic.studio import take_shot
from mimic3d.rays import cast_rays

LIMITS = SyntheticConfig()


def head(seed):
    return sample_identity(np.random.default_rng(seed))


def orbit(yaws, pitches):
    return orbit_cameras(torch.tensor(yaws), torch.tensor(pitches), SYNTHETIC_SCENE)


def shoot(identity, cameras, resolution=32, background="room", index=0):
    cam2world, intrinsics = cameras.cam2world[index].numpy(), cameras.intrinsics[index].numpy()
    return Photographer(identity, cam2world, intrinsics, resolution, background).shoot()


def psnr(a, b):
    error = (a.astype(float) - b.astype(float)) ** 2
    return 10 * math.log10(255**2 / error.mean())


def resize(image, side, how):
    return np.asarray(Image.fromarray(image).resize((side, side), how))


@pytest.mark.parametrize("seed", [1, 7])
def test_a_mirrored_head_seen_by_the_mirrored_camera_is_the_flipped_image(seed):
    cameras = orbit([0.35], [0.12])
    cameras.intrinsics[0, 0, 1:] = torch.tensor([0.02, 0.48])
    view = shoot(head(seed), cameras)
    mirrored = shoot(head(seed).mirrored(), mirror_cameras(cameras))
    flipped = view.image[:, ::-1].astype(int)
    assert np.abs(mirrored.image - flipped).mean() < 0.5  # of 255; a wrong sign is above 8
    assert np.abs(mirrored.depth - view.depth[:, ::-1]).mean() < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_sign_of_the_yaw_shows(seed):
    """No head is symmetric, so flipping an image is not the same as turning the camera."""
    cameras = orbit([0.3, -0.3], [0.0, 0.0])
    one, other = (shoot(head(seed), cameras, index=index).image for index in (0, 1))
    assert psnr(one[:, ::-1], other) < 30  # the mirrored head fits


def test_depth_meets_the_surface_where_a_dense_march_meets_it():
    identity, cameras = head(3), orbit([0.4], [-0.1])
    view = shoot(identity, cameras, 16, "constant")
    rays = cast_rays(cameras, 16)
    hits = np.flatnonzero(np.isfinite(view.depth))
    assert len(hits) > 60
    steps = np.arange(2.4, 3.4, 0.0015)
    errors = []
    for index in hits[::3]:
        o, d = rays.origins[0, index].double().numpy(), rays.directions[0, index].double().numpy()
        points = ((o + steps[:, None] * d) / HEAD_SCALE).astype(np.float32)
        points[:, 0] *= np.float32(identity.side)
        inside = distance(identity, *(points[:, axis].copy() for axis in range(3))) < 0
        if inside.any():
            errors.append(abs(steps[inside.argmax()] - view.depth.ravel()[index]))
    assert len(errors) > 0.9 * len(hits[::3])  # the rest graze the silhouette
    assert np.quantile(errors, 0.9) < 0.004
    assert np.median(errors) < 0.002


@pytest.mark.parametrize(("yaws", "share"), [((0.0, 0.05), 0.9), ((-0.2, 0.2), 0.6)])
def test_depth_of_one_view_lies_on_the_surface_of_another(yaws, share):
    cameras, side = orbit(yaws, [0.0, 0.0]), 64
    one, other = (shoot(head(5), cameras, side, index=index) for index in (0, 1))
    rays = cast_rays(cameras[:1], side)
    points = rays.origins + torch.from_numpy(one.depth.reshape(1, -1, 1).copy()) * rays.directions
    pixels, _ = project(points, cameras[1:])
    column, row = ((pixels[0] * side).floor().long()).T
    seen = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    away = (points[0] - cameras.centers[1]).norm(dim=-1)[seen]
    surface = torch.from_numpy(other.depth.copy())[row[seen], column[seen]]
    assert (away < surface - 0.05).float().mean() < 0.02  # nothing floats before the surface
    assert ((away - surface).abs() < 0.02).float().mean() > share  # the rest is hidden


def test_backgrounds_differ_in_depth_and_opacity_only():
    cameras = orbit([0.2], [0.1])
    room, constant = (shoot(head(2), cameras, 32, kind) for kind in ("room", "constant"))
    assert (room.image == constant.image).all()
    assert (room.alpha == 255).all()
    empty = ~np.isfinite(constant.depth)
    assert 0.2 < empty.mean() < 0.8
    assert constant.alpha[0, 0] == 0
    assert (constant.alpha[~empty] > 0).mean() > 0.99
    assert np.isfinite(room.depth).all()
    assert len(np.unique(room.image[empty & (constant.alpha == 0)], axis=0)) == 1


def test_the_room_is_open_for_every_camera_in_use():
    """Rays enter before the side walls begin and end on them: no view is blocked or leaks out."""
    yaws, pitches = np.meshgrid(
        np.linspace(-LIMITS.yaw_limit_rad, LIMITS.yaw_limit_rad, 7),
        np.linspace(-LIMITS.pitch_limit_rad, LIMITS.pitch_limit_rad, 5),
    )
    cameras = orbit(yaws.ravel().astype(np.float32), pitches.ravel().astype(np.float32))
    rays = cast_rays(cameras, 17)
    ends = torch.stack([(torch.tensor(corner) - rays.origins) / rays.directions for corner in ROOM])
    enters, leaves = ends.amin(dim=0).amax(dim=-1), ends.amax(dim=0).amin(dim=-1)
    assert (enters < leaves).all()
    enters_z = rays.origins[..., 2] + enters * rays.directions[..., 2]
    leaves_z = rays.origins[..., 2] + leaves * rays.directions[..., 2]
    assert leaves_z.max() < enters_z.min()
    half = SYNTHETIC_SCENE.box_warp / 2
    assert np.abs(np.asarray(ROOM)).max() <= half


@pytest.mark.parametrize("yaw", [-1, 0, 1])
@pytest.mark.parametrize("pitch", [-1, 0, 1])
def test_the_scene_holds_head_and_room_from_the_outermost_cameras(yaw, pitch):
    cameras = orbit([yaw * LIMITS.yaw_limit_rad], [pitch * LIMITS.pitch_limit_rad])
    depth = shoot(head(9 + yaw + 3 * pitch), cameras, 16).depth
    assert depth.min() > SYNTHETIC_SCENE.near
    assert depth.max() < SYNTHETIC_SCENE.far


@pytest.mark.parametrize("seed", [3, 4])
def test_a_small_image_is_a_reduced_large_one_and_lacks_its_detail(seed):
    cameras = orbit([0.1], [0.05])
    small, large = (shoot(head(seed), cameras, side).image for side in (64, 128))
    kept = psnr(small, resize(large, 64, Image.Resampling.BOX))
    lost = psnr(resize(small, 128, Image.Resampling.BICUBIC), large)
    assert kept > 27
    assert lost < min(29, kept - 1)


def test_heads_are_drawn_from_their_key_alone_and_differ():
    factors = np.asarray([head([0, 0, index]).factors() for index in range(50)])
    assert (factors[7] == head([0, 0, 7]).factors()).all()
    assert np.isfinite(factors).all()
    assert len(np.unique(factors, axis=0)) == 50
    assert set(factors[:, 0]) == {-1.0, 1.0}  # a head and its mirror image are equally likely


def test_poses_have_the_spread_asked_for_and_stay_within_the_limits():
    cfg = SyntheticConfig(num_train=600, num_val=2, num_eval=2)
    poses = SyntheticPoses(cfg, 0, 64)
    centers = np.stack([poses.pose(i).cam2world[:3, 3] for i in poses.splits["train"]])
    centers -= np.asarray(SYNTHETIC_SCENE.orbit_center, np.float32)
    yaw, pitch = np.arctan2(centers[:, 0], centers[:, 2]), np.arcsin(centers[:, 1] / 2.7)
    assert abs(yaw.std() - 0.289) < 0.03
    assert abs(pitch.std() - 0.127) < 0.015
    assert abs(yaw.mean()) < 0.04
    assert np.abs(yaw).max() <= cfg.yaw_limit_rad + 1e-5
    more = SyntheticPoses(cfg.model_copy(update={"num_train": 700}), 0, 64)
    assert (more.pose("train-0000599").cam2world == poses.pose("train-0000599").cam2world).all()
    assert len(poses.splits["eval_multiview"]) == 2 * len(EVAL_YAWS_RAD)
    estimated = poses.estimate(Image.new("RGB", (64, 64)), "eval-0000001-0")
    assert estimated.cam2world[0, 3] == pytest.approx(2.7 * math.sin(EVAL_YAWS_RAD[0]), abs=1e-5)


def test_samples_do_not_depend_on_the_number_of_processes():
    cfg = SyntheticConfig(num_train=3, num_val=0, num_eval=1)
    tasks = [shot for _, shot in plan_synthetic(cfg, 5, 16).tasks]
    alone = list(ordered_map(take_shot, tasks, 1))
    together = list(ordered_map(take_shot, tasks, 2))
    assert [s.image_id for s in together] == [shot.image_id for shot in tasks]
    for a, b in zip(alone, together, strict=True):
        assert (a.image, a.depth, a.mask, a.factors) == (b.image, b.depth, b.mask, b.factors)
    assert len({s.image for s in alone}) == len(alone)
