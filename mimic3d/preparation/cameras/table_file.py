"""Tables of cameras that any tool can write: CSV, Parquet or JSON, a row per image.

    image                       name of the image
    m00 .. m33, or cam2world    camera to world, row by row; OpenCV axes, world y up
    fx, fy, cx, cy              intrinsics: pixels if width and height are stated, else divided by
                                them
    width, height               optional: size the intrinsics are stated for, pixels
    intrinsics                  instead of these: 9 numbers divided by width and height
    x0, y0 .. x3, y3, or crop   optional: corners of the crop, source pixels, clockwise from the top
                                left; the intrinsics are then of the crop, divided by its side
    angle0 .. 2, or angle       instead of a camera: Deep3DFaceRecon's angles and shift, of which a
    trans0 .. 2, or trans       label is made as EG3D makes it, with its lens
    confidence, reproj_px, identity   optional

A list of numbers in one column is for Parquet and JSON. 0 is the left or upper edge of an image.
"""

import io
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float64

from mimic3d.preparation.cameras.deep3d import eg3d_cameras, eg3d_intrinsics
from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable, build_table
from mimic3d.preparation.names import plain

SUFFIXES = (".csv", ".parquet", ".json")
POSE = tuple(f"m{row}{column}" for row in range(4) for column in range(4))
LENS = ("fx", "fy", "cx", "cy")
SIZE = ("width", "height")
MAX_CENTER = 2  # of cx divided by the width; larger ones are pixels
DEEP3D = {name: tuple(f"{name}{axis}" for axis in range(3)) for name in ("angle", "trans")}
CROP = tuple(f"{axis}{corner}" for corner in range(4) for axis in "xy")


def read_camera_file(data: bytes, path: str) -> CameraTable:
    """The cameras of a table; `path` is what errors call it, and its suffix says the format.

    Raises:
        ValueError: The table is broken; names the row and the rule.
    """
    rows = _read_rows(data, path)
    if "image" not in rows or rows.empty:
        raise ValueError(f"{path} must have rows and a column image, has {_listed(rows)}")
    images = [plain(str(name)) for name in rows["image"]]
    again = rows["image"].astype(str).map(plain).duplicated()
    if again.any():
        raise ValueError(f"{path} must have one row per image, {images[again.argmax()]} is again")
    num = len(rows)
    sizes = _numbers(rows, SIZE, "size", path)
    crops = _numbers(rows, CROP, "crop", path)
    return build_table(
        images,
        *_cameras(rows, sizes, path),
        sizes=np.zeros((num, 2), np.int64) if sizes is None else sizes.astype(np.int64),
        crops=np.full((num, 8), np.nan) if crops is None else crops,
        confidence=_column(rows, "confidence", 1.0, path),
        reproj_px=_column(rows, "reproj_px", 0.0, path),
        identities=tuple(rows["identity"].astype(str)) if "identity" in rows else ("",) * num,
    )


def _read_rows(data: bytes, path: str) -> pd.DataFrame:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path} must be a table of cameras: {', '.join(SUFFIXES)}")
    if suffix == ".json":
        rows = read_json(data, path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{path} must be a list of objects, one per image")
        return pd.DataFrame(rows)
    try:
        if suffix == ".parquet":
            return pd.read_parquet(io.BytesIO(data))
        return _read_csv(data)
    except (ValueError, OSError, pd.errors.ParserError, pa.ArrowException) as error:
        raise ValueError(f"{path} must be a table of cameras: {error}") from error


def _read_csv(data: bytes) -> pd.DataFrame:
    """Columns between commas, or between semicolons or tabs where the header has no comma."""
    header = data.split(b"\n", 1)[0]
    separator = next((mark for mark in (",", ";", "\t") if mark.encode() in header), ",")
    return pd.read_csv(
        io.BytesIO(data), dtype=str, encoding="utf-8-sig", na_filter=False, sep=separator
    )


def _cameras(
    rows: pd.DataFrame, sizes: Float64[np.ndarray, "n 2"] | None, path: str
) -> tuple[Float64[np.ndarray, "n 4 4"], Float64[np.ndarray, "n 3 3"]]:
    angles, shifts = (_numbers(rows, DEEP3D[name], name, path) for name in DEEP3D)
    if angles is not None and shifts is not None:
        return eg3d_cameras(angles, shifts), eg3d_intrinsics(len(rows))
    cam2world = _numbers(rows, POSE, "cam2world", path)
    if cam2world is None:
        raise ValueError(f"{path} must have columns m00 .. m33 or cam2world, has {_listed(rows)}")
    return cam2world.reshape(-1, 4, 4), _intrinsics(rows, sizes, path)


def _intrinsics(
    rows: pd.DataFrame, sizes: Float64[np.ndarray, "n 2"] | None, path: str
) -> Float64[np.ndarray, "n 3 3"]:
    """Intrinsics divided by width and height."""
    lens = _numbers(rows, LENS, "lens", path)
    if lens is None:
        matrices = _numbers(rows, (), "intrinsics", path, 9)
        if matrices is None:
            raise ValueError(f"{path} must have fx, fy, cx, cy or intrinsics, has {_listed(rows)}")
        return matrices.reshape(-1, 3, 3)
    fx, fy, cx, cy = lens.T
    if sizes is None and len(rows) and np.nanmedian(np.abs(cx)) > MAX_CENTER:
        raise ValueError(
            f"{path} must have columns width and height beside cx in pixels, has {_listed(rows)}; "
            f"add them, or divide fx and cx by the width, fy and cy by the height"
        )
    width, height = (np.ones((len(rows), 2)) if sizes is None else sizes).T
    zero, one = np.zeros(len(rows)), np.ones(len(rows))
    with np.errstate(divide="ignore", invalid="ignore"):  # a size of 0 gives what a gate rejects
        flat = [fx / width, zero, cx / width, zero, fy / height, cy / height, zero, zero, one]
    return np.stack(flat, axis=1).reshape(-1, 3, 3)


def _numbers(
    rows: pd.DataFrame, columns: Sequence[str], joined: str, path: str, num: int | None = None
) -> Float64[np.ndarray, "n k"] | None:
    """Several columns, or one column of lists, as an array; None if there are neither."""
    if columns and set(columns) <= set(rows.columns):
        return np.stack([_column(rows, name, 0.0, path) for name in columns], axis=1)
    if joined not in rows:
        return None
    num = num or len(columns)
    numbers = np.full((len(rows), num), np.nan)
    for index, value in enumerate(rows[joined]):
        try:
            flat = np.array(value, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            flat = np.empty(0)
        if len(flat) != num:
            image = rows["image"].iloc[index]
            raise ValueError(f"{path}: {joined} of {image} must be {num} numbers, is {value!r}")
        numbers[index] = flat
    return numbers


def _column(rows: pd.DataFrame, name: str, default: float, path: str) -> Float64[np.ndarray, " n"]:
    """A column of numbers; `nan` is one, which a gate rejects."""
    if name not in rows:
        return np.full(len(rows), default)
    numbers = np.full(len(rows), np.nan)
    for index, (image, value) in enumerate(zip(rows["image"], rows[name], strict=True)):
        try:
            numbers[index] = np.nan if value is None or value is pd.NA else float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{path}: {name} of {image} must be a number, is {value!r}") from None
    return numbers


def _listed(rows: pd.DataFrame) -> str:
    return ", ".join(map(str, rows.columns)) or "no columns"
