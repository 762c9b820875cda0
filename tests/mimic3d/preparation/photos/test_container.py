import os
import unicodedata
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from mimic3d.preparation.photos.container import Folder, Zip, open_container
from mimic3d.preparation.photos.photo import NoPhoto


def gates(container):
    return {item.image_id: item.reject.gate for item in container.rejected}


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_a_folder_and_its_zip_hold_the_same_images(tmp_path):
    write(tmp_path / "photos", "b.PNG", "a/deep/er.jpg", "a/x.webp", "notes.txt", ".hidden.png")
    write(tmp_path / "photos", "__MACOSX/b.png", ".git/c.png")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted((tmp_path / "photos").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "photos"))
    for container in (Folder(tmp_path / "photos"), Zip(tmp_path / "photos.zip")):
        assert container.names == ["a/deep/er.jpg", "a/x.webp", "b.PNG"]
        assert container.read("a/x.webp", 100) == b"a/x.webp"
        assert gates(container) == {"notes.txt": "suffix"}
        assert container.read_file("notes.txt") == b"notes.txt"
        assert container.read_file("missing.txt") is None


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    write(tmp_path, "secret.png", "else/where.png", "photos/a.png", "photos/in/b.png")
    photos = tmp_path / "photos"
    (photos / "out.png").symlink_to(tmp_path / "secret.png")
    (photos / "folder").symlink_to(tmp_path / "else")
    (photos / "inner").symlink_to(photos / "in")
    (photos / "dangling.png").symlink_to(photos / "gone.png")
    (photos / "loop.png").symlink_to(photos / "loop.png")
    (photos / "alias.png").symlink_to(photos / "in/b.png")
    (tmp_path / "entrance").symlink_to(photos)
    container = Folder(tmp_path / "entrance")  # a link to the folder itself is what data/raw is for
    assert container.names == ["a.png", "alias.png", "in/b.png"]
    assert gates(container) == {
        "out.png": "outside",
        "folder": "outside",
        "inner": "link",
        "dangling.png": "link",
        "loop.png": "link",
    }


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    container = Folder(tmp_path)
    assert container.names == []
    assert gates(container) == {"pipe.png": "special"}


@pytest.mark.parametrize(
    "name", ["../up.png", "/abs.png", "a/../../up.png", "C:/x.png", "a\\..\\b.png", "a\nb.png"]
)
def test_names_with_tricks_are_refused_and_nothing_is_written(tmp_path, name):
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w") as archive:
        archive.writestr(name, b"x")
        archive.writestr("good.png", b"good")
    before = sorted(tmp_path.rglob("*"))
    container = Zip(tmp_path / "in" / "a.zip")
    assert container.names == ["good.png"]
    assert list(gates(container).values()) == ["name"]
    assert container.read("good.png", 100) == b"good"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_for_several_files_names_none_of_them(tmp_path):
    name = unicodedata.normalize("NFC", "caf\u00e9.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for entry in ("twice.png", "twice.png", name, unicodedata.normalize("NFD", name), "b.png"):
            archive.writestr(entry, entry.encode())
    container = Zip(tmp_path / "a.zip")
    assert container.names == ["b.png"]
    assert gates(container) == {"twice.png": "duplicate_name", name: "duplicate_name"}


def test_unicode_names_are_known_by_their_composed_form(tmp_path):
    decomposed = unicodedata.normalize("NFD", "\u00fcber/\u65e5\u672c.png")
    write(tmp_path, decomposed)
    container = Folder(tmp_path)
    assert container.names == ["\u00fcber/\u65e5\u672c.png"]
    assert container.read(container.names[0], 100) == decomposed.encode()


def test_names_that_utf8_cannot_write_are_refused(tmp_path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.png"))).write_bytes(b"x")
    container = Folder(tmp_path)
    assert container.names == []
    assert list(gates(container)) == ["bad\\udcff.png"]


def test_damaged_and_encrypted_members_are_rejected_one_by_one(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"first" * 99)
        archive.writestr("b.png", b"second" * 99)
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF  # in the compressed bytes of the first
    path.write_bytes(bytes(data))
    container = Zip(path)
    with pytest.raises(NoPhoto) as refusal:
        container.read("a.png", 1e6)
    assert refusal.value.reject.gate == "unreadable"
    assert container.read("b.png", 1e6) == b"second" * 99


def test_large_files_are_refused_before_they_are_read(tmp_path):
    write(tmp_path / "photos", "a.png")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(10_000_000))
    assert (tmp_path / "bomb.zip").stat().st_size < 20_000
    for container, limit in ((Folder(tmp_path / "photos"), 4), (Zip(tmp_path / "bomb.zip"), 1e6)):
        with pytest.raises(NoPhoto) as refusal:
            container.read("a.png", limit)
        assert refusal.value.reject.gate == "max_bytes"


def test_the_stamp_changes_with_any_file(tmp_path):
    write(tmp_path / "photos", "a.png", "labels.json")
    stamps = [Folder(tmp_path / "photos").content_hash()]
    os.utime(tmp_path / "photos" / "labels.json", ns=(1, 1))
    stamps.append(Folder(tmp_path / "photos").content_hash())
    write(tmp_path / "photos", "b.png")
    stamps.append(Folder(tmp_path / "photos").content_hash())
    for content in (b"one", b"two"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.png", content)
        stamps.append(Zip(tmp_path / "a.zip").content_hash())
    assert len(set(stamps)) == len(stamps)
    assert Folder(tmp_path / "photos").content_hash() == stamps[2]


def test_what_is_no_container_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        open_container(tmp_path / "missing.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(ValueError, match="must be a zip file"):
        open_container(tmp_path / "text.zip")


def test_a_single_image_is_no_container(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="must be a zip file or a folder"):
        open_container(tmp_path / "a.png")
