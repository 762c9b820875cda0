"""SHA-256 of files, by which they are checked, and of texts, by which results are named."""

import hashlib
from pathlib import Path


def content_hash(path: Path) -> str:
    """SHA-256 of the bytes of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
