import numpy as np
import pytest
from PIL import Image

from mimic3d.data.gates import check_camera, check_image


def good_camera():
    cam2world = np.diag([1, -1, -1, 1]).astype(np.float32)
    cam2world[2, 3] = 2.7
    intrinsics = np.array([[4.26, 0, 0.5], [0, 4.26, 0.5], [0, 0, 1]], dtype=np.float32)
    return cam2world, intrinsics


def test_a_camera_passes():
    assert check_camera(*good_camera()) is None


@pytest.mark.parametrize(
    ("gate", "matrix", "index", "value"),
    [
        ("finite", 0, (0, 3), np.nan),
        ("determinant", 0, (2, 2), 1),
        ("orthonormal", 0, (0, 1), 0.1),
        ("last_row", 0, (3, 0), 0.1),
        ("last_row", 1, (1, 0), 0.1),
        ("focal", 1, (1, 1), -4.26),
        ("principal_point", 1, (0, 2), 0.7),
        ("principal_point", 1, (1, 2), 0.3),
    ],
)
def test_what_is_no_camera_is_rejected_by_its_gate(gate, matrix, index, value):
    camera = good_camera()
    camera[matrix][index] = value
    reject = check_camera(*camera)
    assert reject is not None
    assert reject.gate == gate


def test_a_reject_names_value_and_threshold():
    cam2world, intrinsics = good_camera()
    intrinsics[0, 2] = 0.3
    reject = check_camera(cam2world, intrinsics)
    assert reject is not None
    assert (reject.value, reject.threshold) == (pytest.approx(0.3), 0.4)


def test_images_must_be_square_and_large_enough():
    assert check_image(Image.new("RGB", (64, 64)), 64) is None
    wide, small = (check_image(Image.new("RGB", size), 64) for size in ((128, 64), (32, 32)))
    assert wide is not None
    assert (wide.gate, wide.value) == ("square", 2.0)
    assert small is not None
    assert (small.gate, small.value, small.threshold) == ("min_side", 32, 64)
