"""Records of COLMAP's cameras and images files, text (.txt) and binary (.bin)."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float64

Record = TypeVar("Record")

# Ids of the camera models in binary files, and how many parameters each has (COLMAP 3.13).
BINARY_MODELS = {
    0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4), 2: ("SIMPLE_RADIAL", 4), 3: ("RADIAL", 5),
    4: ("OPENCV", 8), 5: ("OPENCV_FISHEYE", 8), 6: ("FULL_OPENCV", 12), 7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4), 9: ("RADIAL_FISHEYE", 5), 10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16), 12: ("SIMPLE_DIVISION", 4), 13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3), 15: ("FISHEYE", 4), 16: ("EUCM", 6), 17: ("EQUIRECTANGULAR", 2),
}  # fmt: skip
POINT_BYTES = 24  # of an image's 2D point: x, y, id of the 3D point


@dataclass(frozen=True)
class CameraRecord:
    """A camera: model, size and parameters in pixels; 0 is the left or upper edge."""

    camera_id: int
    model: str
    width: int
    height: int
    params: tuple[float, ...]
    where: str
    """File and line, for errors."""


@dataclass(frozen=True)
class ImageRecord:
    """A registered image and its world-to-camera pose."""

    quaternion: Float64[np.ndarray, " 4"]
    """Quaternion (w, x, y, z)."""
    translation: Float64[np.ndarray, " 3"]
    camera_id: int
    name: str
    where: str


def read_camera_records(data: bytes, path: str) -> list[CameraRecord]:
    """The contents of cameras.txt or cameras.bin, by the suffix of the path.

    Raises:
        ValueError: The file is broken.
    """
    if path.endswith(".bin"):
        return _read_binary(data, path, _binary_camera)
    return _text_cameras(data, path)


def read_image_records(data: bytes, path: str) -> list[ImageRecord]:
    """The contents of images.txt or images.bin, by the suffix of the path.

    Raises:
        ValueError: The file is broken.
    """
    if path.endswith(".bin"):
        return _read_binary(data, path, _binary_image)
    return _text_images(data, path)


class _Bytes:
    """Little-endian numbers, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.offset = data, 0

    def take(self, layout: str) -> tuple[int | float, ...]:
        """Next numbers, in a layout of `struct`."""
        values = struct.unpack_from(f"<{layout}", self.data, self.offset)
        self.offset += struct.calcsize(f"<{layout}")
        return values

    def name(self) -> str:
        """Next text, up to its zero byte."""
        end = self.data.index(b"\0", self.offset)
        text = self.data[self.offset : end].decode()
        self.offset = end + 1
        return text


def _read_binary(data: bytes, path: str, read: Callable[[_Bytes, str], Record]) -> list[Record]:
    source = _Bytes(data)
    try:
        (num,) = source.take("Q")
        records = [read(source, f"{path} entry {number}") for number in range(int(num))]
        whole = source.offset <= len(data)
    except (struct.error, UnicodeDecodeError, IndexError):
        whole = False
        records = []
    except ValueError as error:
        if "subsection not found" not in str(error):
            raise
        whole = False
        records = []
    if not whole:
        raise ValueError(
            f"{path} must be a whole file in COLMAP's binary format, is none; copy it again "
            f" or convert the model (colmap model_converter --output_type TXT)"
        )
    return records


def _binary_camera(source: _Bytes, where: str) -> CameraRecord:
    camera_id, number, width, height = map(int, source.take("IiQQ"))
    if number not in BINARY_MODELS:
        raise ValueError(
            f"{where} must be a known camera model, has the number {number}; undistort the images "
            f"(colmap image_undistorter)"
        )
    model, num = BINARY_MODELS[number]
    return CameraRecord(camera_id, model, width, height, source.take(f"{num}d"), where)


def _binary_image(source: _Bytes, where: str) -> ImageRecord:
    source.take("I")
    numbers = np.array(source.take("7d"))
    (camera_id,) = source.take("I")
    name = source.name()
    (num_points,) = source.take("Q")
    source.offset += int(num_points) * POINT_BYTES
    return ImageRecord(numbers[:4], numbers[4:], int(camera_id), name, where)


def _text_cameras(data: bytes, path: str) -> list[CameraRecord]:
    records = []
    for number, line in enumerate(_text(data, path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path} line {number}"
        try:
            camera, model, *words = line.split()
            width, height, *params = map(float, words)
            record = CameraRecord(int(camera), model, int(width), int(height), tuple(params), where)
        except ValueError:
            raise ValueError(f"{where} must be id, model and numbers, is {line[:60]!r}") from None
        records.append(record)
    return records


def _text_images(data: bytes, path: str) -> list[ImageRecord]:
    records = []
    for number, line in _image_lines(_text(data, path)):
        where, fields = f"{path} line {number}", line.split(maxsplit=9)
        try:
            pose = np.array(fields[1:8], dtype=np.float64)
            records.append(
                ImageRecord(pose[:4], pose[4:7], int(fields[8]), fields[9].strip(), where)
            )
        except (ValueError, IndexError):
            raise ValueError(
                f"{where} must be id, 4 of the rotation, 3 of the shift, camera and name, is "
                f"{line[:60]!r}"
            ) from None
    return records


def _image_lines(text: str) -> list[tuple[int, str]]:
    """First lines of the images; the second line of each lists its points and may be empty."""
    lines = enumerate(text.splitlines(), 1)
    rows = [(number, line) for number, line in lines if not line.startswith("#")]
    while rows and not rows[0][1].strip():
        rows.pop(0)
    return [row for row in rows[::2] if row[1].strip()]


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text: {error}") from error
