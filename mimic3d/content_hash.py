"""SHA-256 of files: what a snapshot, a state and a downloaded weight file are checked by."""

import hashlib
from pathlib import Path


def content_hash(path: Path) -> str:
    """SHA-256 of the bytes of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
