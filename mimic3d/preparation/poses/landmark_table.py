"""Landmarks that any tool or person wrote down: landmarks.csv. Without torch."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

REQUIRED = ("image", "name", "x", "y")
COLUMNS = (*REQUIRED, "weight")


@dataclass(frozen=True)
class LandmarkTable:
    """Landmarks of many images, matched by the image's id and the landmark's name."""

    path: Path
    """Path of the table in errors."""
    images: tuple[str, ...]
    names: tuple[str, ...]
    positions: Float64[np.ndarray, "n m 2"]
    """Positions in pixels; (0, 0) is the corner of the first pixel, whose middle is (0.5, 0.5)."""
    weights: Float64[np.ndarray, "n m"]
    """Trust from 0 to 1; 0 where an image lacks a landmark."""

    @cached_property
    def places(self) -> dict[str, int]:
        """Row of each image."""
        return {image: row for row, image in enumerate(self.images)}

    def select(self, images: Sequence[str]) -> "LandmarkTable":
        """Some of the images, in the order given; they must be in the table."""
        rows = [self.places[image] for image in images]
        kept = self.positions[rows], self.weights[rows]
        return LandmarkTable(self.path, tuple(images), self.names, *kept)

    def arrange(self, names: Sequence[str]) -> "LandmarkTable":
        """The landmarks in another order.

        Raises:
            ValueError: A name is unknown to the table, or the table has other names too.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise ValueError(
                f"{self.path} must have every point of the template, {unknown[0]} is nowhere in "
                f"it; the table has {', '.join(self.names)}"
            )
        extra = [name for name in self.names if name not in names]
        if extra:
            raise ValueError(
                f"{self.path} must have no other landmarks than the template, has {extra[0]}; "
                f"remove its rows or add the point to the template"
            )
        order = [self.names.index(name) for name in names]
        kept = self.positions[:, order], self.weights[:, order]
        return LandmarkTable(self.path, self.images, tuple(names), *kept)


def read_landmarks(path: Path) -> LandmarkTable:
    """The table `image,name,x,y[,weight]`; images and names in the order of the alphabet.

    Raises:
        ValueError: There is none, or a row breaks a rule: the line and the rule are named.
    """
    rows = _read_rows(path)
    columns = (pd.to_numeric(rows[name], errors="coerce") for name in ("x", "y", "weight"))
    numbers = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    _check_rows(path, rows, numbers)
    images, image_of = np.unique(rows["image"].to_numpy(str), return_inverse=True)
    names, name_of = np.unique(rows["name"].to_numpy(str), return_inverse=True)
    positions = np.zeros((len(images), len(names), 2))
    weights = np.zeros((len(images), len(names)))
    positions[image_of, name_of] = numbers[:, :2]
    weights[image_of, name_of] = numbers[:, 2]
    return LandmarkTable(path, tuple(images.tolist()), tuple(names.tolist()), positions, weights)


def _read_rows(path: Path) -> pd.DataFrame:
    """Rows as text, indexed by their line in the file."""
    way_out = f"its first line is {','.join(REQUIRED)} or {','.join(COLUMNS)}"
    if not path.is_file():
        raise ValueError(f"{path} must be a table of landmarks, there is no such file; {way_out}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, [text.strip() for text in row]) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be a table of landmarks: {error}; {way_out}") from error
    if set(header) not in (set(REQUIRED), set(COLUMNS)) or len(header) != len(set(header)):
        raise ValueError(f"{path} must have other columns than {','.join(header)!r}; {way_out}")
    rows = [(line, row) for line, row in rows if any(row)]
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{path} line {line}: must have {len(header)} columns as the first line, has "
                f"{len(row)}; correct it or remove the row"
            )
    if not rows:
        raise ValueError(f"{path} must have at least one landmark, has none; add rows")
    lines, texts = zip(*rows, strict=True)
    table = pd.DataFrame(list(texts), index=list(lines), columns=header)
    return table.assign(weight="1") if "weight" not in header else table


def _check_rows(path: Path, rows: pd.DataFrame, numbers: Float64[np.ndarray, "k 3"]) -> None:
    finite = np.isfinite(numbers)
    is_share = (numbers[:, 2] >= 0) & (numbers[:, 2] <= 1)
    broken = {
        "image must be the name of an image": ((rows["image"] == "").to_numpy(), "image"),
        "name must be the name of a landmark": ((rows["name"] == "").to_numpy(), "name"),
        "x must be a number of pixels": (~finite[:, 0], "x"),
        "y must be a number of pixels": (~finite[:, 1], "y"),
        "weight must be a number from 0 to 1": (~is_share, "weight"),
        "a landmark must be there once per image": (
            rows.duplicated(["image", "name"]).to_numpy(),
            "name",
        ),
    }
    for rule, (is_broken, column) in broken.items():
        if is_broken.any():
            first = int(is_broken.argmax())
            raise ValueError(
                f"{path} line {rows.index[first]}: {rule}, is {rows[column].iloc[first]!r} (so in "
                f"{is_broken.sum()} of {len(rows)} rows); correct it or remove the row"
            )
