"""Rows of data that `datasets` saved to disk. Apart, since importing `datasets` takes a second."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa


class SavedPart:
    """A part of a dataset on disk, memory-mapped."""

    def __init__(self, name: str, dataset: datasets.Dataset, image_column: str) -> None:
        if isinstance(dataset.features.get(image_column), datasets.Image):
            dataset = dataset.cast_column(image_column, datasets.Image(decode=False))
        self.name = name
        self.columns: list[str] = dataset.column_names
        self._dataset = dataset
        self._column = image_column

    def __len__(self) -> int:
        return len(self._dataset)

    def names(self, column: str) -> list[Any]:
        """Values of a column, all rows."""
        return list(self._dataset[column])

    def value(self, row: int) -> Any:
        """The image of a row, as it is stored."""
        return self._dataset[row][self._column]


def saved_parts(path: Path, image_column: str) -> Iterator[SavedPart]:
    """The dataset in a folder, or its splits.

    Raises:
        ValueError: The folder is not what `save_to_disk` wrote.
    """
    try:
        saved = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ValueError(f"{path} must be what datasets' save_to_disk wrote: {error}") from error
    if isinstance(saved, datasets.Dataset):
        yield SavedPart("", saved, image_column)
    else:
        for name, part in sorted(saved.items()):
            yield SavedPart(str(name), part, image_column)
