from pathlib import Path

import pytest

from mimic3d.preparation.cameras.image_names import ImageNames, unlisted_images

NAMES = ["images/0001.jpg", "images/0002.JPG", "images_2/0001.jpg", "top/frame 3.png"]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("images/0001.jpg", "images/0001.jpg"),
        ("./images/0001", "images/0001.jpg"),
        ("images\\0001.jpg", "images/0001.jpg"),
        (".\\images\\0001.jpg", "images/0001.jpg"),
        ("images/0002.jpg", "images/0002.JPG"),
        ("../d/images/0001.jpg", "images/0001.jpg"),
        ("images/../images/0001.jpg", "images/0001.jpg"),
        ("/home/ann/fox/images/0001.jpg", "images/0001.jpg"),
        ("C:\\Users\\ann\\d\\top\\frame 3.png", "top/frame 3.png"),
        ("file:///home/ann/images/0001.jpg", "images/0001.jpg"),
        ("../other/images/0001.jpg", None),
        ("../0001.jpg", None),
        ("images/0003.jpg", None),
        ("0001.jpg", None),
        ("/etc/passwd", None),
        ("", None),
    ],
)
def test_a_stated_name_leads_to_an_image_inside_or_to_none(stated, expected):
    assert ImageNames(NAMES, Path("data/raw/d")).resolve(stated) == expected
    assert ImageNames(NAMES, Path("data/raw/d.zip")).resolve(stated) == expected


def test_an_absolute_path_below_the_folder_is_the_image_there(tmp_path):
    names = ImageNames(["a/b.png", "b.png"], tmp_path)
    assert names.resolve(str(tmp_path / "a" / "b.png")) == "a/b.png"
    assert names.resolve(str(tmp_path / "b.png")) == "b.png"


def test_names_count_from_the_folder_of_the_file_that_states_them():
    names = ImageNames(["d/images/1.png", "images/1.png"], Path("x"))
    assert names.resolve("images/1.png", base="d") == "d/images/1.png"
    assert names.resolve("images/1.png") == "images/1.png"


def test_a_stated_folder_replaces_that_of_the_list():
    names = ImageNames(NAMES, Path("d"), "images_2/")
    assert names.resolve("images/0001.jpg") == "images_2/0001.jpg"
    assert names.resolve("0001.jpg") == "images_2/0001.jpg"
    assert names.resolve("images/0002.jpg") is None


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["images/1.png", "images_2/1.png", "masks/1.png"], "images/"),
        (["a/1.png", "b/1.png", "b/2.png"], "b/"),
        (["photos/1.png", "small/1.png"], "small/"),
        (["1.png", "2.png"], ""),
    ],
)
def test_the_folder_of_a_model_is_the_one_with_most_of_its_images(names, folder):
    chosen = ImageNames(names, Path("d")).choose_folder(
        ["1.png", "2.png"], ("images/", ""), lambda name: name.startswith("small")
    )
    assert chosen.folder == folder
    assert chosen.resolve("1.png") == f"{folder}1.png"


def test_folders_of_a_rig_are_kept_apart():
    names = ["images/cam0/1.png", "images/cam1/1.png", "images/1.png"]
    stated = ["cam0/1.png", "cam1/1.png", "cam2/1.png"]
    chosen = ImageNames(names, Path("d")).choose_folder(stated, ("images/", ""), lambda name: False)
    assert [chosen.resolve(one) for one in stated] == [
        "images/cam0/1.png",
        "images/cam1/1.png",
        None,
    ]


def test_smaller_copies_masks_and_depth_maps_are_no_images_without_a_camera():
    used = ["images/1.png", "images/2.png", "test/r_0.png"]
    beside = [
        "images_2/1.png", "images_4/1.png", "masks/1.png", "mask/1.png.png", "depth/1.png",
        "depths_2/1.png", "images/1_depth.png", "images/1.png.png", "images/mask_2.png",
        "test/r_0_depth_0001.png", "test/r_0_normal_0001.png", "odd/named.png",
    ]  # fmt: skip
    lost = ["images/3.png", "train/r_1.png", "images/3_depth.png", "album_2/1.png"]
    names = sorted([*used, *beside, *lost])
    assert unlisted_images(names, used, {"odd/named.png"}) == sorted(lost)
