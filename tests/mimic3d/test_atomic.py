import errno
from pathlib import Path

import pytest

from mimic3d.atomic import atomic_file, atomic_folder


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"
    for text in ("one", "two"):
        with atomic_folder(target) as tmp:
            (tmp / "file").write_text(text)
            assert not (target / "file").exists() or (target / "file").read_text() == "one"
        assert (target / "file").read_text() == text

    def fail():
        with atomic_folder(target) as tmp:
            (tmp / "file").write_text("three")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert (target / "file").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("open_tmp", [atomic_folder, atomic_file])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), RuntimeError("No space left on device (os error 28)")]
)
def test_a_full_disk_is_one_sentence_and_harms_nothing(tmp_path, open_tmp, error):
    def fill():
        with open_tmp(tmp_path / "out") as tmp:
            if open_tmp is atomic_file:
                tmp.write_text("half")
            raise error

    with pytest.raises(ValueError, match=r"needs more disk than is free.*free some space"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with atomic_file(target) as tmp:
        tmp.write_text("text")
        assert not target.exists()
    assert target.read_text() == "text"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_remains_of_a_killed_process_are_cleared(tmp_path):
    killed = tmp_path / ".toy.part-123456"
    killed.mkdir()
    (killed / "file").write_text("half")
    with atomic_folder(tmp_path / "toy") as tmp:
        (tmp / "file").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_the_full_device_itself(tmp_path):
    def fill():
        with atomic_folder(tmp_path / "out"), open("/dev/full", "w") as full:
            full.write("x")

    with pytest.raises(ValueError, match="needs more disk than is free"):
        fill()


def test_other_errors_stay_as_they_are(tmp_path):
    def fail():
        with atomic_folder(tmp_path / "out"):
            (tmp_path / "missing").read_text()

    with pytest.raises(FileNotFoundError):
        fail()
