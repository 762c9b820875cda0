import numpy as np
import pytest
import torch

from mimic3d.cameras import mirror_cameras, project
from mimic3d.preparation.sources.synthetic import SyntheticConfig
from mimic3d.rays import cast_rays
from mimic3d.synthetic import light
from mimic3d.synthetic.catalog import KINDS
from mimic3d.synthetic.identity import HEAD_SCALE
from mimic3d.synthetic.points import Points
from mimic3d.synthetic.render import ROOM
from mimic3d.synthetic.scene import SYNTHETIC_SCENE

LIMITS = SyntheticConfig()


@pytest.mark.parametrize(("kind", "number"), [("heads", 1), ("heads", 7), ("cats", 2)])
def test_a_mirrored_subject_seen_by_the_mirrored_camera_is_the_flipped_image(
    render, orbit, subject, kind, number
):
    cameras = orbit([0.35], [0.12])
    cameras.intrinsics[0, 0, 1:] = torch.tensor([0.02, 0.48])
    one = subject(number, kind)
    (view,) = render(one, cameras, kind=kind)
    (mirrored,) = render(one.mirrored(), mirror_cameras(cameras), kind=kind)
    flipped = view.images[0, :, ::-1].astype(int)
    assert np.abs(mirrored.images[0] - flipped).mean() < 0.5  # of 255; a wrong sign is above 8
    assert np.abs(mirrored.depth - view.depth[..., ::-1]).mean() < 1e-3


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_no_subject_is_its_own_mirror_image(render, orbit, subject, psnr, kind):
    """So flipping an image is not the same as turning the camera, and a wrong yaw sign shows."""
    for number in range(3):
        left, right = render(subject(number, kind), orbit([0.3, -0.3], [0.0, 0.0]), kind=kind)
        assert psnr(left.images[0, :, ::-1], right.images[0]) < 30  # the mirrored one fits


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_depth_meets_the_surface_where_a_dense_march_meets_it(renderer, orbit, subject, kind):
    one, cameras = subject(3, kind), orbit([0.4], [-0.1])
    shot = renderer([one], cameras, 16, "constant", kind)
    depth = shot.render().depth.ravel()
    rays = cast_rays(cameras, 16)
    hits = np.flatnonzero(np.isfinite(depth))[::3]
    assert len(hits) > 20
    steps = np.arange(2.4, 3.4, 0.0015)
    o, d = rays.origins[0, hits].double().numpy(), rays.directions[0, hits].double().numpy()
    points = ((o[:, None] + steps[:, None] * d[:, None]) / HEAD_SCALE).astype(np.float32)
    points[..., 0] *= np.float32(one.side)
    flat = Points(points.reshape(-1, 3).T.copy(), shot.table, None)
    inside = light.distance(KINDS[kind], flat).reshape(len(hits), -1) < 0
    met = inside.any(axis=1)
    errors = np.abs(steps[inside.argmax(axis=1)] - depth[hits])[met]
    assert met.mean() > 0.9  # the rest graze the silhouette
    assert np.quantile(errors, 0.9) < 0.004
    assert np.median(errors) < 0.002


@pytest.mark.parametrize("kind", ["heads", "cats"])
@pytest.mark.parametrize(("yaws", "share"), [((0.0, 0.05), 0.9), ((-0.2, 0.2), 0.6)])
def test_one_view_carried_by_its_depth_is_another(render, orbit, subject, kind, yaws, share):
    cameras, side = orbit(yaws, [0.0, 0.0]), 64
    one, other = render(subject(5, kind), cameras, side, kind=kind)
    rays = cast_rays(cameras[:1], side)
    points = rays.origins + torch.from_numpy(one.depth.reshape(1, -1, 1).copy()) * rays.directions
    pixels, _ = project(points, cameras[1:])
    column, row = ((pixels[0] * side).floor().long()).T
    seen = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    away = (points[0] - cameras.centers[1]).norm(dim=-1)[seen]
    surface = torch.from_numpy(other.depth[0].copy())[row[seen], column[seen]]
    assert (away < surface - 0.05).float().mean() < 0.03  # nothing floats before the surface
    agree = (away - surface).abs() < 0.02
    assert agree.float().mean() > share  # the rest is hidden
    assert (away - surface).abs()[agree].median() < 0.003
    colors = torch.from_numpy(one.images[0].reshape(-1, 3)).float()[seen]
    theirs = torch.from_numpy(other.images[0].copy()).float()[row[seen], column[seen]]
    assert (colors - theirs).abs().mean(dim=-1)[agree].median() < 6  # of 255; no light of its own


def test_highlights_move_with_the_camera_and_are_off_by_default(render, orbit, subject):
    cameras = orbit([0.2], [0.1])
    (plain,), (shiny,) = (render(subject(4), cameras, specular=s) for s in (0.0, 0.5))
    added = shiny.images.astype(int) - plain.images
    assert added.min() >= 0
    assert added.max() > 10
    assert (shiny.depth == plain.depth).all()


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_backgrounds_differ_in_depth_and_alpha_only(render, orbit, subject, kind):
    cameras = orbit([0.2], [0.1])
    (room,), (constant,) = (
        render(subject(2, kind), cameras, 32, background, kind)
        for background in ("room", "constant")
    )
    assert (room.images == constant.images).all()
    assert (room.alpha == 255).all()
    empty = ~np.isfinite(constant.depth)
    assert 0.2 < empty.mean() < 0.8
    assert constant.alpha[0, 0, 0] == 0
    assert (constant.alpha[~empty] > 0).mean() > 0.99
    assert ((constant.alpha > 0) & (constant.alpha < 255)).any()  # outlines are fractional
    assert np.isfinite(room.depth).all()
    assert len(np.unique(room.images[empty & (constant.alpha == 0)], axis=0)) == 1


def test_the_room_is_open_for_every_camera_in_use(orbit):
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


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_the_scene_holds_subject_and_room_from_the_outermost_cameras(
    renderer, orbit, subject, kind
):
    signs = [(yaw, pitch) for yaw in (-1, 0, 1) for pitch in (-1, 0, 1)]
    cameras = orbit(
        [yaw * LIMITS.yaw_limit_rad for yaw, _ in signs],
        [pitch * LIMITS.pitch_limit_rad for _, pitch in signs],
    )
    depth = renderer([subject(i, kind) for i in range(9)], cameras, 16, kind=kind).render().depth
    assert depth.min() > SYNTHETIC_SCENE.near
    assert depth.max() < SYNTHETIC_SCENE.far


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_the_hull_contains_the_subject(renderer, orbit, subject, kind):
    """Rays are traced within the hull only, so what sticks out would be cut off."""
    axis = np.linspace(-0.54, 0.54, 41, dtype=np.float32)  # the room, head units
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, -1)
    for number in range(8):
        shot = renderer([subject(number, kind)], orbit([0.0], [0.0]), 16, kind=kind)
        solid = grid[:, light.distance(KINDS[kind], Points(grid, shot.table, None)) < 0]
        hull = shot.table.of("hull", None)
        nearest = np.min([np.linalg.norm((solid - b.center) * b.inverse, axis=0) for b in hull], 0)
        assert solid.shape[1] > 1000
        assert nearest.max() < 1
