"""Further forms of camera folders, as newer versions and other tools write them."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from dot_world import (
    CENTER,
    FOCAL,
    HEIGHT,
    MAX_RESIDUAL,
    NUM,
    WIDTH,
    colmap,
    mirrored_dataset,
    photo,
    poses,
    residual,
    transforms,
    write,
)
from PIL import Image


def is_whole(prepared):
    _, rows, rejected = prepared
    return len(rows) == NUM and rejected == {} and residual(rows) < MAX_RESIDUAL


def test_rigs_and_frames_of_newer_versions_change_nothing(given_folder, prepare_given):
    """COLMAP 3.12 writes rigs and frames beside images, which keep a pose each."""
    colmap(given_folder)
    (given_folder / "sparse/0/rigs.txt").write_text("# Rig list\n1 1 CAMERA 1\n")
    (given_folder / "sparse/0/frames.txt").write_text("1 1 1 0 0 0 0 0 0 1 CAMERA 1 1\n")
    (given_folder / "sparse/0/rigs.bin").write_bytes(b"\0" * 8)
    (given_folder / "sparse/0/points3D.txt").write_text("")
    (given_folder / "database.db").write_bytes(b"SQLite format 3\0")
    prepared = prepare_given()
    assert is_whole((prepared[0], prepared[1], {}))
    assert "no_camera" not in prepared[2].values()


@pytest.mark.parametrize("sub", ["sparse/0", "sparse", "colmap/sparse/0", "dense/sparse", "."])
@pytest.mark.parametrize("images", ["input", "Bilder vom Urlaub", "frames/left"])
def test_images_may_lie_in_a_folder_of_any_name(given_folder, prepare_given, sub, images):
    colmap(given_folder, sub=sub, images=images)
    assert is_whole(prepare_given())


def test_smaller_images_have_intrinsics_of_their_own_scale(given_folder, prepare_given):
    """As gaussian splatting and mip-NeRF 360 lay them; the model is of the full size."""
    colmap(given_folder)
    scale, name = 2, "images_2"
    (given_folder / name).mkdir()
    for index, pose in enumerate(poses()):
        photo(pose).resize((WIDTH // scale, HEIGHT // scale), Image.Resampling.BOX).save(
            given_folder / name / f"{index:04d}.png"
        )
    full = prepare_given(32)[1]
    _, small, rejected = prepare_given(32, images=name)
    assert (len(small), rejected) == (NUM, {})
    for index in range(NUM):
        one, other = full[f"images/{index:04d}.png"], small[f"{name}/{index:04d}.png"]
        np.testing.assert_allclose(one["cam2world"], other["cam2world"], atol=1e-5)
        np.testing.assert_allclose(one["intrinsics"], other["intrinsics"], atol=0.02)


def test_every_frame_may_have_a_lens_of_its_own(given_folder, prepare_given):
    content = transforms(given_folder)
    lens = {key: content.pop(key) for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
    for index, frame in enumerate(content["frames"]):
        frame |= lens | {"camera_model": "OPENCV" if index % 2 else "SIMPLE_PINHOLE", "k1": 0.0}
        frame["file_path"] = frame["file_path"].replace("/", "\\")
    write(given_folder / "transforms.json", content)
    assert is_whole(prepare_given())


def test_a_lens_that_is_none_is_one_sentence(given_folder, prepare_given):
    content = transforms(given_folder) | {"camera_model": "EQUIRECTANGULAR"}
    write(given_folder / "transforms.json", content)
    with pytest.raises(ValueError, match=r"frame 0: camera_model must be one of .* EQUIRECT"):
        prepare_given()


@pytest.mark.parametrize("prefix", ["", "scene/", "a/b/"])
def test_a_zip_may_be_packed_at_any_depth(given_folder, prepare_given, prefix):
    """Of Finder and Explorer, with and without a top folder, with absolute names inside."""
    write(
        given_folder / "transforms.json",
        transforms(given_folder, name="/Users/ann/d/images/{:04d}.png"),
    )
    with zipfile.ZipFile(given_folder.parent / "scene.zip", "w") as archive:
        for path in sorted(given_folder.rglob("*.*")):
            archive.write(path, prefix + str(path.relative_to(given_folder)))
        archive.writestr(f"__MACOSX/{prefix}._transforms.json", b"ghost")
        archive.writestr(f"{prefix}.DS_Store", b"ghost")
    shutil.rmtree(given_folder)
    assert is_whole(prepare_given(path="scene.zip"))


@pytest.mark.parametrize("form", ["strings", "object", "list", "other name", "jpg"])
def test_labels_of_projects_after_eg3d_are_read(given_folder, prepare_given, form):
    """PanoHead writes strings, others an object or a bare list, LPFF names its lists otherwise."""
    mirrored_dataset(given_folder, ("img{:08d}.png", ""), num_copies=0)
    labels = json.loads((given_folder / "dataset.json").read_text())["labels"]
    (given_folder / "dataset.json").unlink()
    if form == "strings":
        labels = [[name, [str(number) for number in label]] for name, label in labels]
    if form == "jpg":  # images converted since
        labels = [[name.replace(".png", ".jpg"), label] for name, label in labels]
    content = {"labels": labels}
    if form == "object":
        content = {"labels": dict(labels)}
    if form == "list":
        content = labels
    write(
        given_folder / ("dataset_rebalanced.json" if form == "other name" else "dataset.json"),
        content,
    )
    _, rows, rejected = prepare_given(64)
    assert (len(rows), rejected) == (NUM, {})


def test_a_distortion_and_a_focal_length_of_the_full_image_scale_with_it(
    given_folder, prepare_given
):
    """nerfstudio's downscaled folders keep the numbers of the full size."""
    content = transforms(given_folder)
    for path in (given_folder / "images").iterdir():
        with Image.open(path) as image:
            image.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX).save(path)
    assert (content["fl_x"], content["cx"]) == (FOCAL[0], CENTER[0])
    write(given_folder / "transforms.json", content)
    _, rows, rejected = prepare_given(64)
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < 2 * MAX_RESIDUAL
