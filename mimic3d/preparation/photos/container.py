"""Containers of photos: folder or zip (tables: see `image_table.py`). Read only, never unpacked.

An image is known by its name within the container, with forward slashes and in Unicode's NFC, so
that a list written on another system finds it. What cannot be had by such a name is named with the
gate it fails: nothing is left out without a word. Hidden files and folders (`.x`, `__MACOSX`) are
no photos and are passed over.
"""

import os
import stat
import zipfile
from functools import lru_cache
from pathlib import Path

from mimic3d.preparation.names import by_name, images, is_hidden, no_images, refuse
from mimic3d.preparation.photos.image_table import ImageTable, is_image_table
from mimic3d.preparation.photos.photo import check_bytes, unreadable
from mimic3d.preparation.sample import Rejected


class Folder:
    """A folder and all below it. Links that lead out of it are refused."""

    def __init__(self, path: Path) -> None:
        self._root = path.resolve()
        named: list[tuple[str, str]] = []
        self.rejected: list[Rejected] = []
        for parent, folders, files in os.walk(self._root, onerror=self._refuse_folder):
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            links = [name for name in folders if Path(parent, name).is_symlink()]
            for name in [*links, *(name for name in files if not is_hidden(name))]:
                entry = os.path.relpath(os.path.join(parent, name), self._root)
                gate = self._gate_of(Path(parent, name))
                if gate is None:
                    named.append((entry.replace(os.sep, "/"), entry))
                else:
                    self.rejected.append(refuse(entry, gate))
        self._files, rejected = by_name(named)
        self.names = images(self._files)
        self.rejected += [*rejected, *no_images(self._files)]

    def read(self, name: str, max_bytes: float) -> bytes:
        """An image file."""
        path = self._root / self._files[name]
        try:
            check_bytes(path.stat().st_size, max_bytes)
            return path.read_bytes()
        except OSError as error:
            raise unreadable(error.strerror or type(error).__name__) from error

    @property
    def file_names(self) -> list[str]:
        """Names of all files, images included."""
        return sorted(self._files)

    def read_file(self, name: str) -> bytes | None:
        """Any file."""
        return (self._root / self._files[name]).read_bytes() if name in self._files else None

    def content_hash(self) -> str:
        """Names, sizes and times of all files."""
        facts = [(name, (self._root / entry).stat()) for name, entry in self._files.items()]
        return "\n".join(f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in sorted(facts))

    def _gate_of(self, path: Path) -> str | None:
        """Gate of a file that is not to be opened: reading a pipe, for one, would never end."""
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = Path(os.path.realpath(path))  # of a link in a circle: itself
            if self._root not in target.parents:
                return "outside"
            if not target.is_file():
                return "link"
            return None
        return None if stat.S_ISREG(mode) else "special"

    def _refuse_folder(self, error: OSError) -> None:
        self.rejected.append(refuse(os.path.relpath(error.filename, self._root), "unreadable"))


class Zip:
    """A zip file, read member by member."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise ValueError(f"{path} does not exist; put or link the images there") from None
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise ValueError(f"{path} must be a zip file or a folder of images: {error}") from error
        named = [
            (name, item)
            for item in self._archive.infolist()
            for name in [item.orig_filename.replace("\\", "/")]  # as Windows tools write them
            if not name.endswith("/") and not any(map(is_hidden, name.split("/")))
        ]
        self._members, rejected = by_name(named)
        self.names = images(self._members)
        self.rejected = [*rejected, *no_images(self._members)]

    def read(self, name: str, max_bytes: float) -> bytes:
        """A member; its real size is never above the one that is checked."""
        check_bytes(self._members[name].file_size, max_bytes)
        try:
            return self._archive.read(self._members[name])
        except Exception as error:  # damage in any layer of a zip, encryption, odd compression
            raise unreadable(f"{type(error).__name__} in the zip file") from error

    @property
    def file_names(self) -> list[str]:
        """Names of all members, images included."""
        return sorted(self._members)

    def read_file(self, name: str) -> bytes | None:
        """Any member."""
        return self._archive.read(self._members[name]) if name in self._members else None

    def content_hash(self) -> str:
        """Names, sizes and checksums of all members."""
        items = sorted(self._members.items())
        return "\n".join(f"{name} {item.file_size} {item.CRC}" for name, item in items)


Container = Folder | Zip | ImageTable
"""Images by name.

`names` are those of the images, sorted, and `rejected` is all else that lies there. `read(name,
max_bytes)` gives an image as it is stored or raises NoPhoto, `read_file(name)` any file of
`file_names` or None, and `content_hash()` a text that changes when a file is added, removed or
written again.
"""


@lru_cache(maxsize=4)
def open_container(path: Path, image_column: str = "image") -> Container:
    """The images below a path; opened once per process.

    Raises:
        ValueError: The path leads to nothing that holds images.
    """
    if is_image_table(path):
        return ImageTable(path, image_column)
    return Folder(path) if path.is_dir() else Zip(path)
