"""Labels of EG3D: mirrored copies under names of their own, rotations that are a little off."""

import json

import numpy as np
import pytest
from dot_world import MAX_RESIDUAL, NUM, mirrored_dataset, residual, write
from PIL import Image

from mimic3d.preparation.sources.given import GivenConfig


@pytest.mark.parametrize(
    "names", [("{:02d}.png", "{:02d}_mirror.png"), ("a/{:02d}.png", "b/x{:02d}.png")]
)
def test_mirrored_copies_share_a_split_and_count_once(given_folder, studio, tmp_path, names):
    """Whether their names say so, or cameras and pixels alone."""
    mirrored_dataset(given_folder, names)
    given = GivenConfig(path="d", val_share=0.25)
    manifest, rows, _ = studio.prepare(tmp_path, "given", 64, given=given)
    assert len(rows) == 2 * NUM
    assert manifest.counts["val"] == 2 * 3
    assert not manifest.mirror
    assert "mirror is off" in " ".join(manifest.notes)


def test_some_mirrored_copies_are_left_out(given_folder, prepare_given):
    mirrored_dataset(given_folder, ("{:02d}.png", "{:02d}_mirror.png"), num_copies=3)
    manifest, rows, rejected = prepare_given()
    assert (len(rows), manifest.mirror) == (NUM, True)
    assert rejected == {f"{index:02d}_mirror.png": "mirrored_copy" for index in range(3)}


def test_rotations_up_to_one_percent_off_are_repaired_and_counted(given_folder, prepare_given):
    mirrored_dataset(given_folder, ("{:02d}.png", ""), num_copies=0)
    content = json.loads((given_folder / "dataset.json").read_text())
    content["labels"][0][1][0] *= 1.004
    content["labels"][1][1][0] *= 1.1
    write(given_folder / "dataset.json", content)
    manifest, rows, rejected = prepare_given()
    assert rejected == {"01.png": "determinant"}
    assert "1 rotations that were off" in " ".join(manifest.notes)
    rotation = np.reshape(rows["00.png"]["cam2world"], (4, 4))[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_exactly_one_percent_is_within_the_limit(given_folder, prepare_given):
    mirrored_dataset(given_folder, ("{:02d}.png", ""), num_copies=0)
    content = json.loads((given_folder / "dataset.json").read_text())
    for label, scale in zip(content["labels"], (1.01, 0.99, 1.011), strict=False):
        matrix = np.reshape(label[1][:16], (4, 4))
        matrix[:3, :3] *= scale
        label[1][:16] = matrix.ravel().tolist()
    write(given_folder / "dataset.json", content)
    manifest, rows, rejected = prepare_given()
    assert rejected == {"02.png": "determinant"}
    assert "2 rotations that were off by up to 1.00%" in " ".join(manifest.notes)
    for name in ("00.png", "01.png"):
        rotation = np.reshape(rows[name]["cam2world"], (4, 4))[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_given_cameras_are_of_the_stored_pixels_whatever_exif_says(given_folder, prepare_given):
    """Square photos, of which nothing but the pixels tells whether they were turned."""
    mirrored_dataset(given_folder, ("{:02d}.jpg", ""), num_copies=0)
    for path in given_folder.glob("*.jpg"):
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(path) as image:
            image.load()
        image.save(path, quality=97, exif=exif)
    _, rows, rejected = prepare_given()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < 2 * MAX_RESIDUAL  # 0.007, as without EXIF data
