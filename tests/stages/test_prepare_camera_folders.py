"""Camera folders as tools write them: dots of a small world, triangulated from finished crops."""

import zipfile

import pytest
from dot_world import (
    CENTER,
    FOCAL,
    HEIGHT,
    MAX_RESIDUAL,
    NUM,
    WIDTH,
    colmap,
    photo,
    poses,
    residual,
    size_error,
    transforms,
    write,
)
from PIL import Image

from mimic3d.preparation.pose import Distortion
from mimic3d.preparation.sources.given import GivenConfig
from stages.prepare import PrepareConfig, check

LENSES = {
    "SIMPLE_RADIAL": ((-0.6,), Distortion(radial=(-0.6, 0, 0, 0))),
    "OPENCV": (
        (0.9, -0.05, 0.002, -0.003),
        Distortion("perspective", (0.9, -0.05, 0, 0), (0.002, -0.003)),
    ),
    "OPENCV_FISHEYE": ((-0.5, 0.1, 0, 0), Distortion("fisheye", (-0.5, 0.1, 0, 0))),
}


@pytest.mark.parametrize("model", LENSES)
def test_a_distorted_reconstruction_is_undistorted(given_folder, prepare_given, model):
    coefficients, distortion = LENSES[model]
    focal = FOCAL if model != "SIMPLE_RADIAL" else FOCAL[:1]
    words = " ".join(map(str, (*focal, *CENTER, *coefficients)))
    colmap(given_folder, distortion, f"{model} {WIDTH} {HEIGHT} {words}")
    _, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL
    assert size_error(rows) < 0.005
    colmap(given_folder, distortion)  # as if the lens were a pinhole
    _, rows, _ = prepare_given()
    assert size_error(rows) > 0.015


def test_portrait_photos_of_phones_keep_the_geometry_of_their_model(given_folder, prepare_given):
    """Stored as landscape and turned by EXIF alone, which COLMAP does not read."""
    colmap(given_folder)
    for path in (given_folder / "images").iterdir():
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(path) as image:
            image.load()
        image.save(path, exif=exif)
    manifest, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL
    assert any("EXIF" in note for note in manifest.notes)


def test_folders_beside_the_images_are_left_alone_or_chosen(given_folder, prepare_given):
    colmap(given_folder)
    for name, scale in (("images_2", 2), ("masks", 1)):
        (given_folder / name).mkdir()
        for index, pose in enumerate(poses()):
            photo(pose, scale=scale).save(given_folder / name / f"{index:04d}.png")
    _, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert all(name.startswith("images/") for name in rows)
    small = prepare_given(64, images="images_2")[1]
    assert all(name.startswith("images_2/") for name in small)
    assert residual(small) < MAX_RESIDUAL


@pytest.mark.parametrize("name", ["images_2", "./images_4/", "images_8"])
def test_a_smaller_folder_may_be_chosen_however_its_name_is_written(
    given_folder, prepare_given, name
):
    """Beside photos of 4 times the size that the model states, which are large enough for all."""
    colmap(given_folder)
    reduction = int(name.strip("./").rpartition("_")[2])
    for index, pose in enumerate(poses()):
        full = photo(pose).resize((4 * WIDTH, 4 * HEIGHT))
        full.save(given_folder / "images" / f"{index:04d}.png")
        path = given_folder / f"images_{reduction}" / f"{index:04d}.png"
        path.parent.mkdir(exist_ok=True)
        full.reduce(reduction).save(path)
    rows = prepare_given(64)[1]
    assert all(image.startswith("images/") for image in rows)
    assert residual(rows) < MAX_RESIDUAL
    _, rows, rejected = prepare_given(64, images=name)
    assert (len(rows), rejected) == (NUM, {})
    assert all(image.startswith(f"images_{reduction}/") for image in rows)
    assert residual(rows) < MAX_RESIDUAL


def test_of_several_models_the_largest_is_read_and_said_so(given_folder, prepare_given):
    colmap(given_folder, sub="sparse/0", numbers=(0,))
    colmap(given_folder, sub="sparse/1", numbers=range(1, NUM), images="photos")
    (given_folder / "images/0000.png").rename(given_folder / "photos/0000.png")
    manifest, rows, rejected = prepare_given()
    assert len(rows) == NUM - 1
    assert rejected == {"photos/0000.png": "no_camera"}
    assert "of 2 sparse models the largest is read, sparse/1" in " ".join(manifest.notes)
    assert any("EXIF" in note for note in manifest.notes)


@pytest.mark.parametrize("kind", ["transforms", "colmap", "table", "labels"])
def test_images_without_camera_and_cameras_without_image_are_listed(
    given_folder, prepare_given, kind
):
    """Three sources, one behaviour."""
    if kind == "colmap":
        colmap(given_folder)
    content = transforms(given_folder)
    lens = [
        FOCAL[0] / WIDTH,
        0,
        CENTER[0] / WIDTH,
        0,
        FOCAL[1] / HEIGHT,
        CENTER[1] / HEIGHT,
        0,
        0,
        1,
    ]
    rows = [
        {"image": f"images/{index:04d}.png", "cam2world": pose.ravel().tolist(), "intrinsics": lens}
        for index, pose in enumerate(poses())
    ]
    if kind == "transforms":
        write(given_folder / "transforms.json", content)
    if kind == "table":
        write(given_folder / "cameras.json", rows)
    if kind == "labels":
        labels = [[row["image"], row["cam2world"] + row["intrinsics"]] for row in rows]
        write(given_folder / "dataset.json", {"labels": labels})
    (given_folder / "images/0003.png").unlink()
    photo(poses()[5]).save(given_folder / "images/extra.png")
    missing = "0003.png" if kind == "colmap" else "images/0003.png"
    given = {"cameras": "cameras.json"} if kind == "table" else {}
    _, kept, rejected = prepare_given(**given)
    assert len(kept) == NUM - 1
    assert rejected == {missing: "no_image", "images/extra.png": "no_camera"}


@pytest.mark.parametrize(
    "name", ["images\\{:04d}.png", "../d/images/{:04d}.png", "/home/ann/d/images/{:04d}.png"]
)
def test_names_of_other_systems_are_found(given_folder, prepare_given, name):
    write(given_folder / "transforms.json", transforms(given_folder, name=name))
    _, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL


def test_images_that_were_converted_since_are_those_of_their_frames(given_folder, prepare_given):
    write(given_folder / "transforms.json", transforms(given_folder))
    for path in (given_folder / "images").iterdir():
        with Image.open(path) as image:
            image.save(path.with_suffix(".JPEG"), quality=98)
        path.unlink()
    _, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL


def test_a_file_of_a_split_may_be_empty(given_folder, prepare_given):
    content = transforms(given_folder)
    frames = {"train": content["frames"], "val": [], "test": []}
    for split, listed in frames.items():
        write(given_folder / f"transforms_{split}.json", content | {"frames": listed})
    manifest, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert manifest.counts["train"] == NUM


def test_files_of_splits_are_read_together(given_folder, prepare_given):
    for split, numbers in (("train", range(10)), ("val", (10,)), ("test", (11,))):
        write(given_folder / f"transforms_{split}.json", transforms(given_folder, numbers))
    manifest, rows, _ = prepare_given()
    assert len(rows) == NUM
    assert (manifest.counts["train"], manifest.counts["val"]) == (10, 2)


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_zip_with_one_top_folder_is_read(given_folder, prepare_given, separator):
    write(given_folder / "transforms.json", transforms(given_folder))
    with zipfile.ZipFile(given_folder.parent / "scene.zip", "w") as archive:
        for path in sorted(given_folder.rglob("*.*")):
            name = separator.join(("inner", *path.relative_to(given_folder).parts))
            archive.writestr(name, path.read_bytes())
            archive.writestr(f"__MACOSX{separator}{name}", b"ghost")
    _, rows, rejected = prepare_given(path="scene.zip")
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL


def test_mistakes_of_camera_folders_are_one_sentence(given_folder, tmp_path):
    photo(poses()[0]).save(given_folder / "0.png")

    def refused(message, **given):
        config = PrepareConfig(source="given", given=GivenConfig(path="d", **given))
        with pytest.raises(ValueError, match=message):
            check(config, tmp_path)

    write(given_folder / "transforms.json", {"fl_x": 5, "frames": [{"file_path": "9.png"}]})
    refused("gives none of an image that is there .1 of others; the first is 9.png.")
    refused(
        "given.images must be a folder of images in .*, images_8 holds none",
        images="images_8",
    )
    refused(
        "given.cameras must be a file of cameras in .*, poses.json is none", cameras="poses.json"
    )
    (given_folder / "transforms.json").unlink()
    (given_folder / "sparse").mkdir()
    for name in ("cameras", "images"):
        (given_folder / f"sparse/{name}.bin").write_bytes(bytes(8))
    refused("must be a COLMAP model, text or binary, that names at least one image")
