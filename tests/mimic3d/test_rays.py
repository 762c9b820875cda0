import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.cameras import Cameras, Scene, orbit_cameras, project
from mimic3d.rays import Rays, Windows, cast_rays, crop, random_windows


def skewed_cameras(num: int) -> Cameras:
    cameras = orbit_cameras(torch.linspace(-0.5, 0.5, num), torch.linspace(-0.2, 0.3, num), Scene())
    cameras.intrinsics[:, 0, 1] = 0.03
    cameras.intrinsics[:, 0, 2] = 0.47
    cameras.intrinsics[:, 1, 2] = 0.52
    return cameras


def as_image(rays: Rays, side: int) -> torch.Tensor:
    return rays.directions.unflatten(1, (side, side)).permute(0, 3, 1, 2)


@settings(deadline=None, max_examples=20)
@given(depth=st.floats(1, 5), side=st.integers(1, 9))
def test_points_on_rays_project_to_pixel_centres(depth, side):
    cameras = skewed_cameras(2)
    rays = cast_rays(cameras, side)
    pixels, _ = project(rays.origins + depth * rays.directions, cameras)
    centres = (torch.arange(side) + 0.5) / side
    expected = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1)
    assert_close(pixels, expected.reshape(1, -1, 2).expand(2, -1, -1), atol=2e-5, rtol=0)


def test_directions_have_unit_length_and_start_at_the_camera():
    cameras = skewed_cameras(3)
    rays = cast_rays(cameras, 5)
    assert_close(rays.directions.norm(dim=-1), torch.ones(3, 25))
    assert_close(rays.origins[:, 7], cameras.centers)


def test_rays_of_windows_are_the_windows_of_all_rays():
    cameras = skewed_cameras(3)
    windows = Windows(torch.tensor([0, 3, 8]), torch.tensor([8, 1, 0]), 4)
    inside = as_image(cast_rays(cameras, 12, windows), 4)
    whole = crop(as_image(cast_rays(cameras, 12), 12), windows)
    assert_close(inside, whole, rtol=0, atol=1.2e-7)  # matmul of other sizes rounds otherwise


def test_crop_takes_rows_from_top_and_columns_from_left():
    image = torch.arange(36.0).reshape(1, 1, 6, 6)
    cut = crop(image, Windows(torch.tensor([1]), torch.tensor([3]), 2))
    assert cut.tolist() == [[[[9, 10], [15, 16]]]]


def test_random_windows_reach_every_corner_and_stay_inside():
    windows = random_windows(2000, 8, 5, torch.Generator().manual_seed(0))
    for corner in (windows.top, windows.left):
        assert set(corner.tolist()) == {0, 1, 2, 3}
    assert not torch.equal(windows.top, windows.left)


def test_the_skew_moves_a_pixel_in_proportion_to_its_height():
    cameras = orbit_cameras(torch.zeros(1), torch.zeros(1), Scene())
    straight = as_image(cast_rays(cameras, 8), 8)
    cameras.intrinsics[0, 0, 1] = 0.5
    skewed = as_image(cast_rays(cameras, 8), 8)
    # the frontal camera looks along -z with y down: x_local = X / -Z, y_local = Y / Z
    moved = skewed[0, 0] / -skewed[0, 2] - straight[0, 0] / -straight[0, 2]
    height = straight[0, 1] / straight[0, 2]
    assert_close(moved, -0.5 / 4.2647 * height, atol=1e-6, rtol=0)
