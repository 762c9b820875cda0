import numpy as np
import pytest
import torch

from mimic3d.cameras import Cameras, project
from mimic3d.preparation.cameras.colmap import read_colmap

CAMERAS = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
1 SIMPLE_PINHOLE 640 480 500.0 320.0 230.0
2 PINHOLE 100 200 80 90 50 100
3 OPENCV 100 100 80 80 50 50 0 0 0 0
"""
# The first is at the world's origin; the second is turned by 90 deg about y: world x is its -z.
IMAGES = """# Image list with two lines of data per image:
1 1 0 0 0 0 0 0 1 a b.jpg
2.5 3.5 7 1 2 -1
2 0.7071067811865476 0 0.7071067811865476 0 0.5 0 2 2 sub/c.jpg

3 1 0 0 0 0 0 4 3 d.jpg
"""
NAMES = ["a b.jpg", "images/sub/c.jpg", "d.jpg", "left.jpg"]


def read(cameras=CAMERAS, images=IMAGES):
    return read_colmap(cameras.encode(), images.encode(), "scene/", NAMES)


def test_cameras_are_read_and_what_is_not_reconstructed_is_listed():
    table, left = read()
    assert table.images == ("a b.jpg", "images/sub/c.jpg", "d.jpg")
    assert left == ["left.jpg"]
    assert table.sizes.tolist() == [[640, 480], [100, 200], [100, 100]]
    first = [[500 / 640, 0, 0.5], [0, 500 / 480, 230 / 480], [0, 0, 1]]
    second = [[0.8, 0, 0.5], [0, 0.45, 0.5], [0, 0, 1]]
    np.testing.assert_allclose(table.intrinsics[:2], [first, second])


def test_a_point_lands_where_world_to_camera_says():
    """x_camera = R x + t, as COLMAP's documentation defines its poses."""
    table, _ = read()
    point = np.array([-1.0, 0.3, 0.7])
    local = np.array([0.7 + 0.5, 0.3, 1.0 + 2])  # R x + t of the second image, by hand
    expected = table.intrinsics[1] @ (local / local[2])
    ours = point * [1, -1, -1]  # the world is turned so that y is up
    cameras = Cameras(
        torch.tensor(table.cam2world[1:2]).float(), torch.tensor(table.intrinsics[1:2]).float()
    )
    position, depth = project(torch.tensor(ours)[None, None].float(), cameras)
    np.testing.assert_allclose(position[0, 0].numpy(), expected[:2], atol=1e-6)
    assert float(depth) == pytest.approx(local[2], abs=1e-6)


def test_a_quaternion_of_another_length_is_left_to_the_gates():
    table, _ = read(images="1 2 0 1 0 0 0 0 1 a b.jpg\n\n")
    assert abs(np.linalg.det(table.cam2world[0, :3, :3]) - 1) > 0.1


@pytest.mark.parametrize(
    ("cameras", "images", "message"),
    [
        ("1 RADIAL 9 9 5 4 4 0.1 0", IMAGES, r"free of distortion, is RADIAL .* undistort"),
        ("1 FISHEYE 9 9 5 4 4", IMAGES, "pinhole camera, is FISHEYE"),
        ("1 PINHOLE 9 9 5 4 4", IMAGES, "PINHOLE must have a size and 4 parameters, has 3"),
        ("1 PINHOLE 9 x 5 4 4", IMAGES, "must be id, model and numbers"),
        ("7 SIMPLE_PINHOLE 9 9 5 4 4", IMAGES, "camera 1 is not in cameras.txt"),
        (CAMERAS, "1 1 0 0 0 0 0 0 1", "must be id, 4 of the rotation"),
        (CAMERAS, "1 1 0 x 0 0 0 0 1 a b.jpg", "must be id, 4 of the rotation"),
        (CAMERAS, "1 1 0 0 0 0 0 0 1 e.jpg", "the image e.jpg is not there"),
        (CAMERAS, "1 1 0 0 0 0 0 0 1 d.jpg\n\n" * 2, "the image d.jpg is there again"),
        (CAMERAS, "# nothing\n", "must name at least one image"),
    ],
)
def test_mistakes_are_errors_that_name_file_and_line(cameras, images, message):
    with pytest.raises(ValueError, match=message) as error:
        read(cameras, images)
    assert "scene/" in str(error.value)
