"""Files by their content below a URL (fsspec): uploaded once, checked when they come back."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import fsspec

from mimic3d.atomic import atomic_file

INDEX = "index.json"
"""Record of a folder: the contents of its files."""
CHUNK_BYTES = 1 << 20
TRANSFERS = 8  # at a time


@dataclass(frozen=True)
class Content:
    """Content of a file."""

    sha256: str
    size: int


Index = dict[str, Content]
"""Contents by path, relative to a folder."""


def open_url(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL, and the path in it.

    Raises:
        ValueError: there is none, or its package is not installed.
    """
    try:
        opened = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"metadata.pipeline.storage must be a URL that fsspec can open, is {url}: {error}; for "
            f"s3:// install the extra `s3`, for gs:// the extra `gs`"
        ) from None
    return cast(tuple[fsspec.AbstractFileSystem, str], opened)


def index_files(root: Path, names: Iterable[str]) -> Index:
    """Contents of these files, and of all files in these folders, by their paths below `root`."""
    return {path: _read(root / path) for name in names for path in sorted(_walk(root, name))}


def dump_index(index: Mapping[str, Content]) -> dict[str, list[Any]]:
    """An index as JSON."""
    return {path: [content.sha256, content.size] for path, content in index.items()}


def parse_index(record: Mapping[str, list[Any]]) -> Index:
    """An index from JSON.

    Raises:
        ValueError: a path leads out of the folder, so somebody else wrote it.
    """
    for path in record:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError(f"paths in the storage must stay in their folder, one is {path!r}")
    return {path: Content(str(sha256), int(size)) for path, (sha256, size) in record.items()}


class ContentStore:
    """Contents and records below one URL, such as s3://bucket/prefix."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = open_url(url)
        self._url = url
        self._fs.invalidate_cache()

    def upload(self, root: Path, index: Index) -> int:
        """Uploads what is not there yet; returns the bytes that this took."""
        there = self._list()
        missing = {c.sha256: path for path, c in index.items() if there.get(c.sha256) != c.size}
        sizes = {content.sha256: content.size for content in index.values()}
        self._fs.makedirs(f"{self._root}/contents", exist_ok=True)
        self._each(
            lambda item: self._fs.put_file(str(root / item[1]), self._of(item[0])), missing.items()
        )
        self._fs.invalidate_cache()
        return sum(sizes[sha256] for sha256 in missing)

    def download(self, files: Mapping[Path, Content]) -> None:
        """Downloads contents to these paths, each of which is whole or absent at any time.

        Raises:
            ValueError: a content is not what its name says.
        """
        self._each(lambda item: self._download_one(*item), files.items())

    def keep_only(self, index: Index) -> None:
        """Removes all contents but these."""
        keep = {content.sha256 for content in index.values()}
        for sha256 in self._list().keys() - keep:
            self._fs.rm_file(self._of(sha256))

    def write(self, name: str, record: Mapping[str, Any]) -> None:
        """Replaces a record."""
        self._fs.makedirs(self._root, exist_ok=True)
        text = json.dumps(record).encode()
        if "file" not in self._fs.protocol:  # elsewhere an upload is seen when it is complete
            self._fs.pipe_file(f"{self._root}/{name}", text)
            return
        with atomic_file(Path(self._root) / name) as partial:
            partial.write_bytes(text)

    def read(self, name: str) -> dict[str, Any] | None:
        """A record; None if there is none."""
        try:
            return json.loads(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def folders(self) -> list[str]:
        """Names of the folders below that have an index of their own."""
        paths = map(str, self._fs.glob(f"{self._root}/*/{INDEX}"))
        return sorted(path.split("/")[-2] for path in paths)

    def remove(self) -> None:
        """Removes all that lies below the URL."""
        if self._fs.exists(self._root):
            self._fs.rm(self._root, recursive=True)

    def _of(self, sha256: str) -> str:
        return f"{self._root}/contents/{sha256}"

    def _list(self) -> dict[str, int]:
        try:
            files = cast(dict[str, Any], self._fs.find(f"{self._root}/contents", detail=True))
        except FileNotFoundError:
            return {}
        return {path.rpartition("/")[2]: int(info["size"]) for path, info in files.items()}

    def _download_one(self, target: Path, content: Content) -> None:
        with atomic_file(target) as partial:
            self._fs.get_file(self._of(content.sha256), str(partial))
            if _read(partial) != content:
                raise ValueError(
                    f"{self._url}/contents/{content.sha256} must be as it was stored, is not; "
                    f"delete it and start the same command again"
                )

    @staticmethod
    def _each(work: Any, items: Iterable[Any]) -> None:
        with ThreadPoolExecutor(TRANSFERS) as pool:
            for _ in pool.map(work, items):
                pass


def _walk(root: Path, name: str) -> Iterator[str]:
    if (root / name).is_file():
        yield name
    for folder, _, files in os.walk(root / name, followlinks=True):
        for file in files:
            yield (Path(folder) / file).relative_to(root).as_posix()


def _read(path: Path) -> Content:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return Content(digest.hexdigest(), size)
