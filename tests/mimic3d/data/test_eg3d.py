import io
import json
import zipfile

import pytest
from PIL import Image

from mimic3d.data.eg3d import list_images, load_labels, read_image

LABEL = [
    1.0,
    0,
    0,
    0,
    0,
    -1,
    0,
    0,
    0,
    0,
    -1,
    2.7,
    0,
    0,
    0,
    1,
    4.2647,
    0,
    0.5,
    0,
    4.2647,
    0.5,
    0,
    0,
    1,
]
NAMES = ["00000/img00000000.png", "00000/img00000001.png"]


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 100, 50)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def write_zip(path, labels):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in NAMES:
            archive.writestr(name, png())
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    return path


def load(container):
    return load_labels(container, list_images(container))


@pytest.mark.parametrize("kind", [float, str])
def test_labels_may_be_numbers_or_strings(tmp_path, kind):
    path = write_zip(tmp_path / "a.zip", [[name, [kind(v) for v in LABEL]] for name in NAMES])
    assert list_images(path) == NAMES
    assert load(path) == dict.fromkeys(NAMES, tuple(LABEL))
    assert read_image(path, NAMES[1]) == png()


def test_a_folder_is_read_like_a_zip(tmp_path):
    zipfile.ZipFile(
        write_zip(tmp_path / "a.zip", [[name, LABEL] for name in reversed(NAMES)])
    ).extractall(tmp_path / "folder")
    assert list_images(tmp_path / "folder") == NAMES
    assert load(tmp_path / "folder") == load(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[NAMES[0], LABEL]], f"no label for {NAMES[1]} \\(1 of 2 images have none\\)"),
        (None, "has labels: null"),
        ([[NAMES[0], LABEL], [NAMES[1], LABEL[:16]]], f"label of {NAMES[1]} must be 25 numbers"),
        ([[NAMES[0], LABEL], [NAMES[1], None]], f"label of {NAMES[1]} must be 25 numbers"),
        ([[NAMES[0], LABEL], [NAMES[1], ["x"] * 25]], f"label of {NAMES[1]} must be 25 numbers"),
        ([LABEL], "must list pairs"),
    ],
)
def test_missing_and_malformed_labels_are_errors_that_name_the_file(tmp_path, labels, message):
    path = write_zip(tmp_path / "a.zip", labels)
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)


def test_a_missing_or_broken_list_of_labels_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(ValueError, match=r"dataset.json must exist"):
        load(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match=r"dataset.json must be JSON"):
        load(tmp_path)


def test_what_holds_no_images_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no images"):
        list_images(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        list_images(tmp_path / "missing.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(ValueError, match="must be a zip file"):
        list_images(tmp_path / "text.zip")
