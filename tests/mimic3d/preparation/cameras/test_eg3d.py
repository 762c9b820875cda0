import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mimic3d.preparation.cameras.eg3d import read_labels, write_eg3d
from mimic3d.preparation.cameras.image_names import ImageNames

LABEL = (
    1.0, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1,
    4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1,
)  # fmt: skip
NAMES = ["00000/img00000000.png", "00000/img00000001.png"]


def load(labels):
    return read(json.dumps({"labels": labels}).encode(), "a.zip/dataset.json", NAMES)[0]


def read(data, path, names):
    return read_labels(data, path, ImageNames(names, Path("a.zip")).resolve_converted)


@pytest.mark.parametrize("kind", [float, str])
def test_labels_may_be_numbers_or_strings(kind):
    table = load([[name, [kind(value) for value in LABEL]] for name in NAMES])
    assert table.images == tuple(NAMES)
    for row in range(2):
        assert (*table.cam2world[row].ravel(), *table.intrinsics[row].ravel()) == LABEL


def test_names_are_compared_as_unicode_means_them():
    label = [["./caf\u00e9.png", LABEL]]
    data = json.dumps({"labels": label}).encode()
    assert read(data, "dataset.json", ["caf\u00e9.png"])[0].images == ("caf\u00e9.png",)
    decomposed = json.dumps({"labels": [["cafe\u0301.png", LABEL]]}).encode()
    assert read(decomposed, "dataset.json", ["caf\u00e9.png"])[0].images == ("caf\u00e9.png",)


@pytest.mark.parametrize(
    "labels",
    [
        {NAMES[0]: list(LABEL)},
        [[NAMES[0], [LABEL[:16], LABEL[16:]]]],
        [["img00000000.JPG", LABEL]],
        [["./00000\\img00000000.png", LABEL]],
        [[NAMES[0], LABEL], [NAMES[1], None]],
        [[NAMES[0], LABEL], [NAMES[0], LABEL]],
    ],
)
def test_labels_of_other_projects_are_read(labels):
    """Objects, rows, another suffix, Windows separators, an image without a label, repeats."""
    names = NAMES if "img00000000.JPG" not in str(labels) else ["img00000000.png"]
    table, missing = read(json.dumps({"labels": labels}).encode(), "dataset.json", names)
    assert (table.images, missing) == ((names[0],), [])
    assert (*table.cam2world[0].ravel(), *table.intrinsics[0].ravel()) == LABEL


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "has labels: null"),
        ([[NAMES[0], LABEL], [NAMES[1], LABEL[:16]]], f"label of {NAMES[1]} must be 25 numbers"),
        ([[NAMES[0], LABEL], [NAMES[1], ["x"] * 25]], f"label of {NAMES[1]} must be 25 numbers"),
        ([[NAMES[0], LABEL], [NAMES[0], [0] * 25]], f"must label an image once, {NAMES[0]} has"),
        ([LABEL], "must list pairs"),
    ],
)
def test_missing_and_malformed_labels_are_errors_that_name_the_file(labels, message):
    with pytest.raises(ValueError, match=message) as error:
        load(labels)
    assert "a.zip/dataset.json" in str(error.value)


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b"7"])
def test_a_broken_list_of_labels_is_an_error(data):
    with pytest.raises(ValueError, match=r"dataset.json must be"):
        read(data, "dataset.json", NAMES)


@pytest.mark.parametrize("is_zip", [True, False])
def test_what_is_written_is_read_again(tmp_path, is_zip):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(3)]
    labels = [tuple(rng.normal(size=25).astype(np.float32).tolist()) for _ in images]
    target = tmp_path / "out"
    assert write_eg3d(zip(images, labels, strict=True), target, is_zip) == 3
    if is_zip:
        archive = zipfile.ZipFile(target)
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
        archive.extractall(tmp_path / "unpacked")
        target = tmp_path / "unpacked"
    names = [f"00000/img{index:08d}.png" for index in range(3)]
    table, _ = read((target / "dataset.json").read_bytes(), "dataset.json", names)
    for row, name in enumerate(names):
        data = (target / name).read_bytes()
        assert len(data) > 16 * 16 * 3  # uncompressed
        assert (np.asarray(Image.open(io.BytesIO(data))) == images[row]).all()
        assert (*table.cam2world[row].ravel(), *table.intrinsics[row].ravel()) == labels[row]


def test_the_same_images_give_the_same_zip(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_eg3d([(np.zeros((4, 4, 3), np.uint8), LABEL)], tmp_path / name, is_zip=True)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
