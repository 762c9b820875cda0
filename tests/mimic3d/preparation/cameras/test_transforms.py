import json
import math
from pathlib import Path

import numpy as np
import pytest

from mimic3d.preparation.cameras.image_names import ImageNames
from mimic3d.preparation.cameras.transforms import read_transforms
from mimic3d.preparation.pose import Distortion

NAMES = ["train/r_0.png", "train/r_1.png"]
# The camera of a published NeRF scene convention: at (0, -4, 0) in a world with z up, it looks
# along +y and up is up. OpenGL: x right, y up, z backwards.
POSE = [[1, 0, 0, 0], [0, 0, -1, -4], [0, 1, 0, 0], [0, 0, 0, 1]]


def frame(name, pose=POSE, **facts):
    return {"file_path": name, "transform_matrix": pose, **facts}


def read(frames, size=(800, 800), **facts):
    data = json.dumps({"frames": frames, **facts}).encode()
    return read_transforms(data, "scene/transforms.json", resolve, lambda name: size).table


def resolve(stated):
    return ImageNames(NAMES, Path("scene")).resolve(stated)


def test_a_front_view_of_a_z_up_world_becomes_our_frontal_camera():
    """Our frontal camera stands on +z, rotation diag(1, -1, -1)."""
    table = read([frame("./train/r_0")], camera_angle_x=0.6911112070083618)
    assert table.images == ("train/r_0.png",)
    expected = np.diag([1.0, -1, -1, 1])
    expected[2, 3] = 4
    np.testing.assert_allclose(table.cam2world[0], expected, atol=1e-12)
    focal = 0.5 / math.tan(0.6911112070083618 / 2)  # 1.3889: NeRF's synthetic scenes
    lens = [[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]
    np.testing.assert_allclose(table.intrinsics[0], lens, atol=1e-9)


def test_one_angle_means_square_pixels_in_a_wide_image():
    table = read([frame("train/r_0.png")], size=(800, 400), camera_angle_x=math.pi / 2)
    np.testing.assert_allclose(np.diag(table.intrinsics[0]), [0.5, 1.0, 1.0])
    assert table.sizes.tolist() == [[800, 400]]


def test_a_frame_overrides_what_all_share():
    own = frame("train/r_1", fl_x=500.0, fl_y=600.0, cx=90.0, cy=110.0, w=200, h=240)
    table = read([frame("train/r_0"), own], fl_x=100.0, cx=50.0, cy=60.0, w=100, h=100)
    shared = [[1, 0, 0.5], [0, 1, 0.6], [0, 0, 1]]
    mine = [[2.5, 0, 0.45], [0, 2.5, 110 / 240], [0, 0, 1]]
    np.testing.assert_allclose(table.intrinsics, [shared, mine])
    assert table.sizes.tolist() == [[100, 100], [200, 240]]


def test_a_pose_may_have_three_rows_and_numbers_that_are_none():
    broken = [[math.nan] * 4, *POSE[1:3]]
    table = read([frame("train/r_0", POSE[:3]), frame("train/r_1", broken)], camera_angle_x=1.0)
    assert table.cam2world[0, 3].tolist() == [0, 0, 0, 1]
    assert np.isnan(table.cam2world[1]).any()


def test_lenses_are_those_of_nerfstudio_and_instant_ngp():
    """Of the whole file or of one frame; instant-ngp says is_fisheye."""
    shared = {"fl_x": 5, "k1": 0.1, "k2": -0.2, "p1": 0.01, "p2": 0.02}
    own = frame("train/r_1", camera_model="OPENCV_FISHEYE", k1=0.3, k3=0.4, k4=0.5, p1=0, p2=0)
    table = read([frame("train/r_0"), own], camera_model="OPENCV", **shared)
    perspective = Distortion("perspective", (0.1, -0.2, 0, 0), (0.01, 0.02))
    assert table.distortions == (perspective, Distortion("fisheye", (0.3, -0.2, 0.4, 0.5)))
    (lens,) = read([frame("train/r_0")], fl_x=5, k1=0.1, is_fisheye=True).distortions
    assert lens == Distortion("fisheye", (0.1, 0, 0, 0))
    assert read([frame("train/r_0")], fl_x=5, k1=0.0).distortions == (None,)


def test_frames_without_an_image_are_listed_and_masks_are_no_images():
    names = [*NAMES, "train/m_0.png"]
    content = {
        "camera_angle_x": 1,
        "frames": [frame("train/r_0", mask_path="train/m_0.png"), frame("r_7"), frame("r_8")],
        "train_filenames": ["train/r_0.png"],
        "test_filenames": ["train/r_1.png"],
        "applied_transform": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]],
        "applied_scale": 0.5,
    }
    read_file = read_transforms(
        json.dumps(content).encode(),
        "scene/transforms.json",
        ImageNames(names, Path("scene")).resolve,
        lambda name: (8, 8),
    )
    assert read_file.missing == ["r_7", "r_8"]
    assert read_file.side_files == {"train/m_0.png"}
    assert read_file.splits == {"train/r_0.png": "train", "train/r_1.png": "val"}


def test_the_same_frame_twice_is_one():
    assert len(read([frame("train/r_0")] * 2, fl_x=5)) == 1


@pytest.mark.parametrize(
    ("frames", "facts", "message"),
    [
        ([], {}, "must have a list `frames`"),
        ([7], {}, "frame 0 must be an object"),
        ([{"transform_matrix": POSE}], {}, "frame 0 must have a file_path"),
        ([frame("train/r_0", [[1, 2]])], {"camera_angle_x": 1}, "transform_matrix must be 4 rows"),
        ([frame("train/r_0", "x")], {"camera_angle_x": 1}, "transform_matrix must be 4 rows"),
        ([frame("train/r_0")], {}, "must state fl_x or camera_angle_x"),
        ([frame("train/r_0")], {"fl_x": "wide"}, "fl_x must be a number, is 'wide'"),
        ([frame("train/r_0")], {"fl_x": 5, "w": 0, "h": 9}, "w and h must be positive"),
        ([frame("train/r_0")], {"fl_x": 5, "k1": "x"}, "k1 must be a number, is 'x'"),
        ([frame("train/r_0")], {"fl_x": 5, "applied_scale": 0}, "applied_scale must be positive"),
        (
            [frame("train/r_0")],
            {"fl_x": 5, "applied_transform": np.diag([1, 1, -1, 1])[:3].tolist()},
            "applied_transform must be 3 rows .* determinant -1",
        ),
        (
            [frame("train/r_0")],
            {"fl_x": 5, "camera_model": "EQUIRECTANGULAR"},
            "camera_model must be",
        ),
        (
            [frame("train/r_0"), frame("train/r_0", np.eye(4).tolist())],
            {"fl_x": 5},
            "frame 1 must be the only one of train/r_0.png",
        ),
    ],
)
def test_mistakes_are_errors_that_name_file_and_frame(frames, facts, message):
    with pytest.raises(ValueError, match=message) as error:
        read(frames, **facts)
    assert "scene/transforms.json" in str(error.value)
