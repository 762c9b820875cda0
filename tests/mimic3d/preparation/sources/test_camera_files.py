import pytest

from mimic3d.preparation.sources.camera_files import list_camera_files


def model(folder, suffix="bin"):
    return [f"{folder}/{stem}.{suffix}" for stem in ("cameras", "images", "points3D")]


@pytest.mark.parametrize(
    ("files", "paths", "scene"),
    [
        (["dataset.json", "transforms.json"], ("dataset.json",), ""),
        (["transforms.json", *model("colmap/sparse/0")], ("transforms.json",), ""),
        (model("colmap/sparse/0"), ("colmap/sparse/0",), ""),
        (model("sparse"), ("sparse",), ""),
        ([*model("sparse/10"), *model("sparse/2")], ("sparse/2", "sparse/10"), ""),
        ([*model("distorted/sparse/0"), *model("sparse/0")], ("sparse/0",), ""),
        (["images.txt", "cameras.txt"], ("",), ""),
        (["fox/transforms.json", "fox/images/1.jpg"], ("fox/transforms.json",), "fox/"),
        (["cameras.csv", "images/1.jpg"], ("cameras.csv",), ""),
        (
            ["transforms_test.json", "transforms_train.json"],
            ("transforms_train.json", "transforms_test.json"),
            "",
        ),
    ],
)
def test_the_shallowest_scene_is_read_in_the_stated_order(files, paths, scene):
    choice = list_camera_files(files, "", "data/raw/d")
    assert (choice.paths, choice.scene) == (paths, scene)


@pytest.mark.parametrize(
    ("named", "paths"),
    [
        ("sparse/1", ("sparse/1",)),
        ("sparse/1/images.bin", ("sparse/1",)),
        ("sparse/", ("sparse/0", "sparse/1")),
        ("transforms_val.json", ("transforms_val.json",)),
        ("poses/other.json", ("poses/other.json",)),
    ],
)
def test_a_file_or_a_model_may_be_named(named, paths):
    files = [*model("sparse/0"), *model("sparse/1"), "transforms_val.json", "poses/other.json"]
    assert list_camera_files(files, named, "data/raw/d").paths == paths


def test_several_scenes_are_an_error_that_names_them():
    files = ["a/transforms.json", "b/transforms.json"]
    with pytest.raises(ValueError, match=r"one of several .*: a/transforms.json, b/transforms"):
        list_camera_files(files, "", "data/raw/d")
