import struct

import numpy as np
import pytest
import torch

from mimic3d.cameras import Cameras, project
from mimic3d.preparation.cameras.colmap import MODELS, read_colmap
from mimic3d.preparation.cameras.colmap_files import (
    BINARY_MODELS,
    read_camera_records,
    read_image_records,
)
from mimic3d.preparation.pose import Distortion

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


def resolve(name):
    return next((known for known in NAMES if known in (name, f"images/{name}")), None)


def read(cameras=CAMERAS, images=IMAGES):
    return read_colmap(
        read_camera_records(cameras.encode(), "scene/cameras.txt"),
        read_image_records(images.encode(), "scene/images.txt"),
        "scene/",
        resolve,
    )


def binary_cameras(rows):
    """As COLMAP's documentation lays the binary file out."""
    parts = [struct.pack("<Q", len(rows))]
    for camera_id, model, width, height, *params in rows:
        parts.append(struct.pack("<IiQQ", camera_id, model, width, height))
        parts.append(struct.pack(f"<{len(params)}d", *params))
    return b"".join(parts)


def binary_images(rows, num_points=3):
    parts = [struct.pack("<Q", len(rows))]
    for number, (pose, camera_id, name) in enumerate(rows, 1):
        parts.append(struct.pack("<I7dI", number, *pose, camera_id) + name.encode() + b"\0")
        parts.append(struct.pack("<Q", num_points))
        parts += [struct.pack("<ddq", 1.5, 2.5, -1)] * num_points
    return b"".join(parts)


HALF = 0.7071067811865476
BINARY_CAMERAS = binary_cameras(
    [
        (1, 0, 640, 480, 500.0, 320.0, 230.0),
        (2, 1, 100, 200, 80.0, 90.0, 50.0, 100.0),
        (3, 4, 100, 100, 80.0, 80.0, 50.0, 50.0, 0.0, 0.0, 0.0, 0.0),
    ]
)
BINARY_IMAGES = binary_images(
    [
        ((1, 0, 0, 0, 0, 0, 0), 1, "a b.jpg"),
        ((HALF, 0, HALF, 0, 0.5, 0, 2), 2, "sub/c.jpg"),
        ((1, 0, 0, 0, 0, 0, 4), 3, "d.jpg"),
    ]
)


def test_a_binary_model_is_the_text_model():
    table, missing = read_colmap(
        read_camera_records(BINARY_CAMERAS, "scene/cameras.bin"),
        read_image_records(BINARY_IMAGES, "scene/images.bin"),
        "scene/",
        resolve,
    )
    text, _ = read()
    assert (table.images, missing) == (text.images, [])
    for name in ("cam2world", "intrinsics", "sizes"):
        np.testing.assert_array_equal(getattr(table, name), getattr(text, name))
    assert table.distortions == text.distortions == (None, None, None)


@pytest.mark.parametrize("cut", [4, 30, 100, -1])
def test_a_binary_file_that_breaks_off_is_an_error(cut):
    for data, read_records, name in (
        (BINARY_CAMERAS, read_camera_records, "cameras.bin"),
        (BINARY_IMAGES, read_image_records, "images.bin"),
    ):
        with pytest.raises(ValueError, match=f"scene/{name} must be a whole file.*model_converter"):
            read_records(data[:cut], f"scene/{name}")


def test_coefficients_are_read_in_the_order_of_each_model():
    lens = {
        "SIMPLE_RADIAL": Distortion(radial=(1, 0, 0, 0)),
        "RADIAL": Distortion(radial=(1, 2, 0, 0)),
        "OPENCV": Distortion(radial=(1, 2, 0, 0), tangential=(3, 4)),
        "FULL_OPENCV": Distortion("perspective", (1, 2, 5, 0), (3, 4), (6, 7, 8)),
        "SIMPLE_FISHEYE": Distortion("fisheye"),
        "OPENCV_FISHEYE": Distortion("fisheye", (1, 2, 3, 4)),
        "THIN_PRISM_FISHEYE": Distortion("fisheye", (1, 2, 5, 6), (3, 4), thin_prism=(7, 8)),
        "FOV": Distortion("fov", strength=1),
        "DIVISION": Distortion("division", strength=1),
    }
    for model, expected in lens.items():
        spec = MODELS[model]
        coefficients = " ".join(str(k + 1) for k in range(spec.num_coefficients))
        focal = "50 " * spec.num_focal
        table, _ = read(f"1 {model} 90 90 {focal}45 45 {coefficients}", "1 1 0 0 0 0 0 0 1 d.jpg")
        assert table.distortions == (expected,)
    known = {name: num for name, num in BINARY_MODELS.values()}
    for name, spec in MODELS.items():
        assert known[name] == spec.num_focal + 2 + spec.num_coefficients


def test_cameras_are_read_and_images_that_are_not_there_are_listed():
    table, missing = read(images=IMAGES + "\n4 1 0 0 0 0 0 4 3 lost.jpg\n")
    assert table.images == ("a b.jpg", "images/sub/c.jpg", "d.jpg")
    assert missing == ["lost.jpg"]
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
        ("1 EUCM 9 9 5 5 4 4 0.6 1", IMAGES, r"must be one of .*, is EUCM; undistort"),
        ("1 RADIAL 9 9 5 4 4 0.1", IMAGES, "RADIAL must have a size and 5 parameters, has 4"),
        ("1 PINHOLE 9 9 5 4 4", IMAGES, "PINHOLE must have a size and 4 parameters, has 3"),
        ("1 PINHOLE 9 x 5 4 4", IMAGES, "must be id, model and numbers"),
        ("7 SIMPLE_PINHOLE 9 9 5 4 4", IMAGES, "camera 1 is not in scene/cameras"),
        (CAMERAS, "1 1 0 0 0 0 0 0 1", "must be id, 4 of the rotation"),
        (CAMERAS, "1 1 0 x 0 0 0 0 1 a b.jpg", "must be id, 4 of the rotation"),
        (CAMERAS, "1 1 0 0 0 0 0 0 1 d.jpg\n\n" * 2, "the image d.jpg is there again"),
    ],
)
def test_mistakes_are_errors_that_name_file_and_line(cameras, images, message):
    with pytest.raises(ValueError, match=message) as error:
        read(cameras, images)
    assert "scene/" in str(error.value)
