"""A project folder in tests: its parameters, and what lies in it."""

import hashlib
from pathlib import Path

from ruamel.yaml import YAML


def change(root: Path, key: str, value: object) -> None:
    """Set one parameter by its full key."""
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    *groups, name = key.split(".")
    section = params
    for group in groups:
        section = section.setdefault(group, {})
    section[name] = value
    yaml.dump(params, root / "params.yaml")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
