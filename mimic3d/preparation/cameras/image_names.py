"""Names by which files of cameras call images -> names of the images that are there.

Lists are written on other systems and in other folders: with backslashes, as absolute paths, as
paths that leave the folder and come back, without a suffix. Nothing outside is ever opened: a name
leads to an image of the container or to nothing. Imports no torch.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mimic3d.preparation.names import SUFFIXES, plain

# Folders beside the images that hold something else of them.
SIDE_FOLDER = re.compile(
    r"(?:\w+_)?(?:masks?|depths?|depth_maps?|normals?|normal_maps?|segmentations?|semantics?|alphas?|"
    r"mattes?|thumbnails?|disparit(?:y|ies)|panoptic)(?:_\d+)?",
    re.IGNORECASE,
)
SMALLER_FOLDER = re.compile(r"(?P<images>.+)_\d+")  # images_2, images_4, images_8
SIDE_SUFFIX = re.compile(r"_(?:mask|depth|normal|alpha|semantic|disparity)(?:_\d+)?", re.IGNORECASE)
SIDE_PREFIX = re.compile(r"(?:dynamic_)?mask_", re.IGNORECASE)


class ImageNames:
    """The images of a container, or those below a folder of it."""

    def __init__(
        self, names: Iterable[str], root: Path, folder: str = "", is_relative: bool = False
    ) -> None:
        """`root` is the folder or the zip itself; `folder` ends in a slash unless it is empty.

        `is_relative`: stated names count from `folder`, which is to be taken at their word.
        """
        self.folder = folder
        self._is_relative = is_relative
        self.names = [name for name in names if name.startswith(folder)]
        self._known = set(self.names)
        self._root = root
        self._folded: dict[str, str | None] = {}
        for name in self.names:
            for key in (name.lower(), posixpath.splitext(name)[0].lower() + "."):
                self._folded[key] = None if key in self._folded else name  # None: not unique

    def resolve(self, stated: str, base: str = "") -> str | None:
        """The image that a file in the folder `base` names; None if it is not there."""
        for candidate in self._candidates(stated, base):
            if candidate in self._known:
                return candidate
            for suffix in SUFFIXES:  # NeRF's own scenes leave the suffix out
                if candidate + suffix in self._known:
                    return candidate + suffix
            folded = self._folded.get(candidate.lower())
            if folded is not None:
                return folded
        return None

    def resolve_converted(self, stated: str, base: str = "") -> str | None:
        """Image as by `resolve`, where images converted to another format since count as there."""
        name = self.resolve(stated, base)
        if name is not None:
            return name
        for candidate in self._candidates(stated, base):
            stem, suffix = posixpath.splitext(candidate)
            converted = self._folded.get(stem.lower() + ".") if suffix.lower() in SUFFIXES else None
            if converted is not None:
                return converted
        return None

    def _candidates(self, stated: str, base: str) -> Iterator[str]:
        path = plain(stated.strip().replace("\\", "/"))
        drive = re.match(r"(?:file://)?/*(?:[A-Za-z]:)?/+", path)
        is_absolute = drive is not None or re.match(r"[A-Za-z]:", path) is not None
        bare = re.sub(r"^(?:file://)?/*(?:[A-Za-z]:)?/*", "", path) if is_absolute else path
        if self._is_relative:
            yield self.folder + posixpath.normpath(path)
            return
        if self.folder:  # the folder is stated: below it, as much of the path as there is
            yield from (self.folder + tail for tail in _tails(posixpath.normpath(bare)))
            return
        if not is_absolute:
            for joined in (posixpath.join(base, path), path):
                yield posixpath.normpath(joined)
        yield from self._inside(path, bare, base, is_absolute)

    def _inside(self, path: str, bare: str, base: str, is_absolute: bool) -> Iterator[str]:
        """Absolute paths, and those that leave the folder and come back."""
        root = self._root.resolve().as_posix()
        absolute = posixpath.normpath(path if is_absolute else posixpath.join(root, base, path))
        if absolute.startswith(root + "/"):
            yield absolute[len(root) + 1 :]
        parts = posixpath.normpath(bare).split("/")
        own = {self._root.name, self._root.stem, posixpath.basename(base.rstrip("/"))} - {""}
        for index in range(len(parts) - 1, -1, -1):
            if parts[index] in own:
                yield posixpath.join(base, *parts[index + 1 :])
                yield "/".join(parts[index + 1 :])
        if is_absolute:  # written on another machine, in a folder of another name
            for tail in _tails("/".join(parts)):
                yield posixpath.join(base, tail)
                yield tail

    def choose_folder(
        self, stated: Sequence[str], preferred: Sequence[str], has_size: Callable[[str], bool]
    ) -> "ImageNames":
        """The images below the folder that the stated relative names are of.

        The one with most of them; of equals the first preferred one, then one whose first image has
        the size that the cameras state, then the shortest.
        """
        by_name: dict[str, list[str]] = {}
        for name in self.names:
            by_name.setdefault(posixpath.basename(name).lower(), []).append(name)
        votes: Counter[str] = Counter()
        first: dict[str, str] = {}
        for one in stated:
            relative = posixpath.normpath(plain(one.replace("\\", "/"))).lower()
            for name in by_name.get(posixpath.basename(relative), ()):
                if f"/{name.lower()}".endswith(f"/{relative}"):
                    folder = name[: len(name) - len(relative)]
                    votes[folder] += 1
                    first.setdefault(folder, name)
        most = max(votes.values(), default=0)
        folders = sorted((f for f in votes if votes[f] == most), key=lambda f: (len(f), f))
        for folder in preferred:
            if folder in folders:
                return ImageNames(self.names, self._root, folder, is_relative=True)
        right = [folder for folder in folders if len(folders) > 1 and has_size(first[folder])]
        best = [*right, *folders]
        return ImageNames(self.names, self._root, best[0], is_relative=True) if best else self


def _tails(path: str) -> Iterator[str]:
    """A path, then without its first folder, and so on."""
    parts = path.split("/")
    return ("/".join(parts[index:]) for index in range(len(parts)))


def unlisted_images(
    names: Sequence[str], listed: Iterable[str], side_files: Iterable[str] = ()
) -> list[str]:
    """Images without a camera; not masks, depth maps and smaller copies beside those with one."""
    used, beside = set(listed), set(side_files)
    folders = {folder for name in used for folder in posixpath.dirname(name).split("/")}
    stems = {posixpath.splitext(name)[0] for name in used}
    unlisted = []
    for name in names:
        if name in used or name in beside:
            continue
        parts = [part for part in posixpath.dirname(name).split("/") if part not in folders]
        if any(_is_side_folder(part, folders) for part in parts):
            continue
        if not _is_side_file(name, stems, used):
            unlisted.append(name)
    return unlisted


def _is_side_folder(part: str, folders: set[str]) -> bool:
    smaller = SMALLER_FOLDER.fullmatch(part)
    is_smaller = smaller is not None and smaller["images"] in folders | {"images"}
    return is_smaller or SIDE_FOLDER.fullmatch(part) is not None


def _is_side_file(name: str, stems: set[str], used: set[str]) -> bool:
    """True for 0001_depth.png beside 0001.png, 0001.jpg.png beside 0001.jpg, mask_0001.png."""
    stem = posixpath.splitext(name)[0]
    if stem in used:
        return True
    suffix = SIDE_SUFFIX.search(posixpath.basename(stem))
    if suffix is not None and stem.endswith(suffix[0]) and stem[: -len(suffix[0])] in stems:
        return True
    folder, base = posixpath.split(stem)
    prefix = SIDE_PREFIX.match(base)
    return prefix is not None and posixpath.join(folder, base[prefix.end() :]) in stems
