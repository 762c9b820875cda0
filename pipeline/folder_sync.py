"""Folders that a restart needs, kept alike on all machines of a stage."""

from pathlib import Path


class FolderSync:
    """Folders that all machines see: what is written is there, and nothing has to travel."""

    def push(self, folder: Path) -> None:
        """Lets all machines see what is in a folder; one process calls it."""

    def pull(self, folder: Path) -> None:
        """Makes a folder what was pushed last."""

    def names(self, folder: Path) -> list[str]:
        """Folders below one, whether they were pulled already or not."""
        return sorted(path.name for path in folder.glob("*") if path.is_dir())
