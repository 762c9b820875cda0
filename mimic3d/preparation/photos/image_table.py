"""Photos in tables: datasets saved by `datasets`, and Parquet files with a column of images."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.parquet as pq

from mimic3d.preparation.names import by_name, is_hidden, is_image
from mimic3d.preparation.photos.photo import check_bytes, unreadable

ID_COLUMNS = ("image_id", "file_name")  # the first that exists names the images, else their number
SAVED = ("dataset_info.json", "dataset_dict.json")  # files that `save_to_disk` writes
BATCH = 16  # rows of a Parquet file decoded at a time


@runtime_checkable
class _Part(Protocol):
    name: str
    columns: list[str]

    def __len__(self) -> int: ...
    def names(self, column: str) -> list[Any]:
        """Values of a column of names, one per row."""
        ...

    def value(self, row: int) -> Any:
        """Value of the image column in a row."""
        ...


class ImageTable:
    """Images of a column, read by row."""

    def __init__(self, path: Path, image_column: str) -> None:
        self._files = [path] if path.is_file() else sorted(p for p in path.rglob("*.*"))
        self._parts = _open_parts(path, image_column)
        for part in self._parts:
            if image_column not in part.columns:
                raise ValueError(
                    f"image_column of the source must be a column of {path}, is {image_column}; "
                    f"there are {', '.join(part.columns)}"
                )
        named = [
            (name, (number, row))
            for number, part in enumerate(self._parts)
            for row, name in enumerate(_names(part, len(self._parts) > 1))
        ]
        self._rows, self.rejected = by_name(named)
        self.names = sorted(self._rows)

    def read(self, name: str, max_bytes: float) -> bytes:
        """The image of a row."""
        number, row = self._rows[name]
        try:
            value = self._parts[number].value(row)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(f"{type(error).__name__} in the table") from error
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise unreadable("the row holds no bytes of an image")
        check_bytes(len(data), max_bytes)
        return data

    @property
    def file_names(self) -> list[str]:
        """Empty list: a table has no files."""
        return []

    def read_file(self, name: str) -> bytes | None:
        """None: a table has no files."""
        return None

    def content_hash(self) -> str:
        """Names, sizes and times of its files."""
        facts = [(path, path.stat()) for path in self._files]
        return "\n".join(f"{path.name} {s.st_size} {s.st_mtime_ns}" for path, s in facts)


def is_image_table(path: Path) -> bool:
    """True if images lie there in rows: Parquet, or a folder that `datasets` saved."""
    if path.is_file():
        return path.suffix == ".parquet"
    if any((path / name).is_file() for name in SAVED):
        return True
    return bool(_parquet_files(path)) and not any(is_image(p.name) for p in path.rglob("*"))


class _Parquet:
    """A Parquet file; rows asked for in order are decoded once, a few at a time."""

    def __init__(self, path: Path, image_column: str) -> None:
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{path} must be a Parquet file of images: {error}") from error
        facts = self._file.metadata
        sizes = [facts.row_group(group).num_rows for group in range(facts.num_row_groups)]
        self._starts = list(accumulate(sizes, initial=0))  # row of the first image of every group
        self.name = path.stem
        self.columns = list(self._file.schema_arrow.names)
        self._column = image_column
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._values: Sequence[Any] = ()
        self._start = 0  # row of the first value

    def __len__(self) -> int:
        return self._starts[-1]

    def names(self, column: str) -> list[Any]:
        """Values of a column of names, one per row."""
        return self._file.read(columns=[column])[column].to_pylist()

    def value(self, row: int) -> Any:
        """Value of the image column in a row."""
        group = bisect_right(self._starts, row) - 1
        is_behind = row < self._start or not self._values
        is_far_ahead = self._starts[group] > self._start + len(self._values)
        if is_behind or is_far_ahead:
            groups = range(group, len(self._starts) - 1)
            self._batches = self._file.iter_batches(
                BATCH, row_groups=list(groups), columns=[self._column]
            )
            self._start, self._values = self._starts[group], ()
        while row >= self._start + len(self._values):
            self._start += len(self._values)
            self._values = next(self._batches).column(0).to_pylist()
        return self._values[row - self._start]


def _open_parts(path: Path, image_column: str) -> list[_Part]:
    files = [path] if path.is_file() else _parquet_files(path)
    if files:
        return [_Parquet(file, image_column) for file in files]
    from mimic3d.preparation.photos.saved_dataset import saved_parts

    return list(saved_parts(path, image_column))


def _parquet_files(path: Path) -> list[Path]:
    """Parquet files below a folder, in order; hidden ones are no data."""
    files = sorted(path.rglob("*.parquet"))
    return [p for p in files if not any(is_hidden(part) for part in p.relative_to(path).parts)]


def _names(part: _Part, is_one_of_several: bool) -> list[str]:
    """Names of the rows: from a column, else their number after the name of the part."""
    for column in ID_COLUMNS:
        if column in part.columns:
            return [str(name) for name in part.names(column)]
    prefix = f"{part.name}/" if is_one_of_several else ""
    return [f"{prefix}{row:07d}" for row in range(len(part))]
