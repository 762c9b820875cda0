import os
import uuid

import pytest

from pipeline.storage.content_store import ContentStore, dump_index, index_files, parse_index


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def url(request, tmp_path):
    """A place in each kind of storage."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}"
    return f"{request.param}://{tmp_path / 'storage'}"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "folder"
    (root / "data" / "deep").mkdir(parents=True)
    (root / "data" / "one").write_bytes(b"1" * 1000)
    (root / "data" / "deep" / "same").write_bytes(b"1" * 1000)
    (root / "data" / "deep" / "empty").touch()
    (root / "single").write_text("2")
    return root


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_what_is_stored_comes_back(url, folder, tmp_path):
    index = index_files(folder, ["data", "single"])
    assert parse_index(dump_index(index)) == index
    ContentStore(url).upload(folder, index)
    ContentStore(url).download(
        {tmp_path / "back" / path: content for path, content in index.items()}
    )
    assert contents(tmp_path / "back") == contents(folder)


def test_equal_contents_travel_once(url, folder):
    store, index = ContentStore(url), index_files(folder, ["data", "single"])
    assert store.upload(folder, index) == 1001
    assert store.upload(folder, index) == 0
    (folder / "single").write_text("changed")
    assert store.upload(folder, index_files(folder, ["data", "single"])) == 7


def test_an_upload_that_was_cut_off_is_repeated(folder, tmp_path):
    store, index = ContentStore(f"file://{tmp_path}/storage"), index_files(folder, ["single"])
    store.upload(folder, index)
    (stored,) = (tmp_path / "storage" / "contents").iterdir()
    stored.write_bytes(b"")
    assert store.upload(folder, index) == 1


def test_damage_is_found_and_leaves_no_file(folder, tmp_path):
    store, index = ContentStore(f"file://{tmp_path}/storage"), index_files(folder, ["single"])
    store.upload(folder, index)
    (stored,) = (tmp_path / "storage" / "contents").iterdir()
    stored.write_text("3")
    with pytest.raises(ValueError, match="must be as it was stored"):
        store.download({tmp_path / "back" / "single": index["single"]})
    assert not contents(tmp_path / "back")


def test_contents_nobody_names_can_go(url, folder, tmp_path):
    store, index = ContentStore(url), index_files(folder, ["data", "single"])
    store.upload(folder, index)
    store.keep_only({"single": index["single"]})
    store.download({tmp_path / "back": index["single"]})
    with pytest.raises(FileNotFoundError):
        store.download({tmp_path / "gone": index["data/one"]})


def test_records_are_replaced_and_removed(url):
    store = ContentStore(url)
    assert store.read("plan.json") is None
    store.write("plan.json", {"a": 1})
    store.write("plan.json", {"a": [2]})
    assert ContentStore(url).read("plan.json") == {"a": [2]}
    store.remove()
    assert ContentStore(url).read("plan.json") is None
    store.remove()


def test_links_to_other_folders_are_followed(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far").write_text("3")
    os.symlink(tmp_path / "elsewhere", folder / "data" / "link")
    assert "data/link/far" in index_files(folder, ["data"])


@pytest.mark.parametrize("path", ["/etc/passwd", "../out", "data/../../out"])
def test_paths_stay_in_their_folder(path):
    with pytest.raises(ValueError, match="stay in their folder"):
        parse_index({path: ["0", 0]})


def test_a_storage_nobody_can_open_is_named():
    with pytest.raises(ValueError, match=r"storage must be a URL .* nonsense://x"):
        ContentStore("nonsense://x")
