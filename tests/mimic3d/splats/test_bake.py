import numpy as np
import pytest
import torch
from einops import rearrange

from mimic3d.cameras import orbit_cameras
from mimic3d.metrics.views import PosedView
from mimic3d.rays import cast_rays
from mimic3d.splats.bake import SplatConfig, bake_splats
from mimic3d.splats.fit import SplatFitConfig
from mimic3d.splats.quality import splat_psnr
from mimic3d.splats.splats import quaternion_matrices
from mimic3d.surfaces.pose_range import PoseRange, grid_cameras, pose_range, random_cameras

pytest.importorskip("numba")
CENTER, RADIUS, WALL_Z = (0.0, 0.05, 0.1), 0.15, -0.25
CFG = SplatConfig(resolution=48, spacing_px=1, fit=SplatFitConfig(steps=0))
EXTENT = PoseRange(0.4, 0.2)


def offsets(splats):
    return splats.centers - torch.tensor(CENTER)


def test_splats_of_a_ball_lie_flat_on_it(subject, scene):
    front = grid_cameras(EXTENT, scene)[:1]
    splats = bake_splats(subject, front, scene, CFG)
    distance = offsets(splats).norm(dim=-1)
    is_ball = distance < RADIUS + 0.01
    is_wall = (splats.centers[:, 2] - WALL_Z).abs() < 0.01
    assert (is_ball | is_wall).float().mean() > 0.97  # the rest sees the edge
    assert 300 < int(is_ball.sum()) < 48**2 / 2
    torch.testing.assert_close(
        distance[is_ball], torch.full_like(distance[is_ball], RADIUS), atol=4e-3, rtol=0
    )
    colors = subject.colors(splats.centers)
    assert (splats.colors - colors)[is_ball].abs().max() < 0.02
    flattest = quaternion_matrices(splats.rotations)[:, :, 2]
    normals = offsets(splats) / distance[:, None]
    facing = is_ball & (normals[:, 2] > 0.7)
    assert (flattest * normals).sum(-1)[facing].median() > 0.99
    pixel = 2.6 / (48 * scene.focal)
    assert splats.scales[facing, 1].numpy() == pytest.approx(CFG.spread * pixel, rel=0.1)
    assert (splats.scales[:, 2] < splats.scales[:, 1]).all()


def test_another_camera_adds_only_what_the_first_did_not_see(subject, scene):
    one = bake_splats(subject, grid_cameras(EXTENT, scene)[:1], scene, CFG)
    side = orbit_cameras(torch.tensor([0.0, 0.0, 0.4]), torch.zeros(3), scene)
    assert len(bake_splats(subject, side[:2], scene, CFG)) < 1.1 * len(one)  # the same once more
    more = bake_splats(subject, side[::2], scene, CFG)
    assert 1.1 * len(one) < len(more) < 1.9 * len(one)


def test_pictures_of_splats_are_those_of_the_object_from_cameras_held_back(subject, scene):
    cfg = CFG.model_copy(update={"fit": SplatFitConfig(steps=40)})
    splats = bake_splats(subject, grid_cameras(EXTENT, scene), scene, cfg)
    values = splat_psnr(splats, subject, random_cameras(EXTENT, scene, 3, 7), 48, 0.0)
    assert min(values) > 26  # of 48 px, with a hard edge
    rough = bake_splats(subject, grid_cameras(EXTENT, scene), scene, CFG)
    before = splat_psnr(rough, subject, random_cameras(EXTENT, scene, 3, 7), 48, 0.0)
    assert np.mean(values) > np.mean(before)


class Plane:
    """A wall with soft stripes, whose pixels are known by formula."""

    Z = 0.1

    def render(self, cameras, branch="3d", resolution=None):
        rays = cast_rays(cameras, resolution)
        depth = (self.Z - rays.origins[..., 2]) / rays.directions[..., 2]
        points = rays.origins + depth[..., None] * rays.directions
        side = {"h": resolution}
        image = rearrange(self.colors(points), "n (h w) c -> n c h w", **side) * 2 - 1
        depth = rearrange(depth, "n (h w) -> n 1 h w", **side)
        return PosedView(image, depth, torch.ones_like(depth), cameras)

    def query(self, points):
        return 2000.0 * (points[..., 2:] < self.Z).float(), self.colors(points)

    @staticmethod
    def colors(points):
        x, y, _ = points.unbind(dim=-1)
        stripes = torch.stack([torch.sin(25 * x), torch.sin(25 * y), torch.sin(18 * (x + y))], -1)
        return 0.5 + 0.4 * stripes


def test_splats_of_a_painted_plane_have_its_colours(scene):
    cfg = CFG.model_copy(update={"spacing_px": 2, "fit": SplatFitConfig(steps=40)})
    splats = bake_splats(Plane(), grid_cameras(EXTENT, scene), scene, cfg)
    values = splat_psnr(splats, Plane(), random_cameras(EXTENT, scene, 3, 7), 48, 0.0)
    assert min(values) > 32
    again = bake_splats(Plane(), grid_cameras(EXTENT, scene), scene, cfg)
    assert torch.equal(splats.centers, again.centers)  # the same every time


def test_the_most_visible_splats_are_kept(subject, scene):
    cameras = grid_cameras(EXTENT, scene)[:3]
    few = bake_splats(subject, cameras, scene, CFG.model_copy(update={"max_splats": 500}))
    assert len(few) == 500


def test_an_empty_object_is_refused(subject, scene):
    class Empty(type(subject)):
        def render(self, cameras, branch="3d", resolution=None):
            view = super().render(cameras, branch, resolution)
            return type(view)(view.image, view.depth, 0 * view.alpha, cameras)

    with pytest.raises(ValueError, match="must absorb light"):
        bake_splats(Empty(), grid_cameras(EXTENT, scene)[:1], scene, CFG)


def test_the_range_of_poses_is_two_standard_deviations_of_the_dataset(scene):
    rng = torch.Generator().manual_seed(0)
    angles = torch.randn((2, 20_000), generator=rng) * torch.tensor([[0.3], [0.12]])
    label = orbit_cameras(*angles, scene).labels().mean(dim=0)
    extent = pose_range(tuple(label.tolist()))
    assert extent.yaw_rad == pytest.approx(0.6, rel=0.08)
    assert extent.pitch_rad == pytest.approx(0.24, rel=0.08)
    alone = orbit_cameras(torch.zeros(1), torch.zeros(1), scene).labels()[0]
    assert pose_range(tuple(alone.tolist())) == PoseRange(0.4, 0.2)


def test_cameras_of_the_grid_begin_in_the_middle_and_reach_the_corners(scene):
    cameras = grid_cameras(EXTENT, scene)
    middle = orbit_cameras(torch.zeros(1), torch.zeros(1), scene)
    torch.testing.assert_close(cameras[:1].cam2world, middle.cam2world, atol=1e-6, rtol=0)
    corner = orbit_cameras(torch.tensor([0.4]), torch.tensor([-0.2]), scene).cam2world
    assert ((cameras.cam2world - corner).abs().amax(dim=(1, 2)) < 1e-5).any()
