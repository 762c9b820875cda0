"""Names of images: safe, unique, and the same on every system."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

from mimic3d.preparation.pose import Reject
from mimic3d.preparation.sample import Rejected

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".heic", ".heif", ".hif", ".bmp",
    ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2",
)  # fmt: skip
NO_IMAGE = "suffix"  # the gate of files that do not claim to be images

Entry = TypeVar("Entry")


def is_image(name: str) -> bool:
    """True if a file claims to be an image."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_hidden(name: str) -> bool:
    """True if a file or folder is an operating system's own business."""
    return name == "__MACOSX" or (name.startswith(".") and name not in (".", ".."))


def plain(name: str) -> str:
    """A name as it is compared: Unicode's NFC, forward slashes, no leading ./ of a list."""
    return unicodedata.normalize("NFC", name).removeprefix("./")


def by_name(named: Iterable[tuple[str, Entry]]) -> tuple[dict[str, Entry], list[Rejected]]:
    """Entries that one plain name leads to, and the names that lead nowhere or to several."""
    entries: dict[str, list[Entry]] = {}
    rejected = []
    for name, entry in named:
        if is_safe(name):
            entries.setdefault(unicodedata.normalize("NFC", name), []).append(entry)
        else:
            rejected.append(refuse(name, "name"))
    for name, several in entries.items():
        if len(several) > 1:
            reject = Reject("duplicate_name", float(len(several)), 1.0)
            rejected.append(Rejected(name, reject))
    return {name: one[0] for name, one in entries.items() if len(one) == 1}, rejected


def is_safe(name: str) -> bool:
    """True if a name is a relative path without tricks, which UTF-8 can write."""
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff\\]|^/|^[A-Za-z]:", name):
        return False
    return not {"", ".", ".."} & set(name.split("/"))


def images(entries: Iterable[str]) -> list[str]:
    """The names of images among them, sorted."""
    return sorted(name for name in entries if is_image(name))


def no_images(entries: Mapping[str, object]) -> list[Rejected]:
    """Files of another kind, as rejects."""
    return [refuse(name, NO_IMAGE) for name in sorted(entries) if not is_image(name)]


def refuse(name: str, gate: str) -> Rejected:
    """A reject without pixels; a name that cannot be written is escaped."""
    escaped = name.encode("ascii", "backslashreplace").decode()
    return Rejected(name if name.isprintable() else escaped, Reject(gate, 0.0, 1.0))
