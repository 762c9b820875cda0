"""Reads transforms.json of NeRF's synthetic scenes and of nerfstudio.

Their cameras have OpenGL axes (y up, looking along -z) in a world with z up; ours are OpenCV's
(y down, looking along +z) in a world with y up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float64

from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable, build_table
from mimic3d.preparation.names import SUFFIXES, plain

OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
Z_UP_TO_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
PINHOLE_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")

Size = tuple[int, int]


def read_transforms(
    data: bytes, path: str, names: Sequence[str], size_of: Callable[[str], Size]
) -> CameraTable:
    """The cameras of all frames; `size_of` tells an image's width and height if the file does not.

    Raises:
        ValueError: The file is broken, names an image that is not there, or states a lens that is
            no pinhole.
    """
    content = read_json(data, path)
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not frames:
        raise ValueError(f"{path} must have a list `frames` of images and their cameras")
    known = set(names)
    images, poses, lenses, sizes = [], [], [], []
    for number, frame in enumerate(frames):
        where = f"{path}: frame {number}"
        if not isinstance(frame, dict):
            raise ValueError(f"{where} must be an object of file_path and transform_matrix")
        facts = {**{key: value for key, value in content.items() if key != "frames"}, **frame}
        image = _find_image(facts, known, PurePosixPath(path).name, where)
        size = _stated_size(facts, where) or size_of(image)
        images.append(image)
        poses.append(_pose(facts, where))
        lenses.append(_lens(facts, size, where))
        sizes.append(size)
    if len(set(images)) < len(images):
        again = next(name for index, name in enumerate(images) if name in images[:index])
        raise ValueError(f"{path} must have one frame per image, {again} is there again; remove it")
    cam2world = Z_UP_TO_Y_UP @ np.array(poses) @ OPENGL_TO_OPENCV
    return build_table(images, cam2world, np.array(lenses), sizes=np.array(sizes, dtype=np.int64))


def _find_image(facts: Mapping[str, Any], names: set[str], label: str, where: str) -> str:
    """NeRF's own scenes leave the suffix out."""
    stated = facts.get("file_path")
    if not isinstance(stated, str):
        raise ValueError(f"{where} must have a file_path, has {stated!r}")
    name = plain(stated)
    for candidate in (name, *(name + suffix for suffix in SUFFIXES)):
        if candidate in names:
            return candidate
    raise ValueError(
        f"{where} names the image {stated}, which is not beside {label}; put it there or remove "
        f"the frame"
    )


def _stated_size(facts: Mapping[str, Any], where: str) -> Size | None:
    if "w" not in facts or "h" not in facts:
        return None
    width, height = _number(facts, "w", where), _number(facts, "h", where)
    if width < 1 or height < 1:
        raise ValueError(f"{where}: w and h must be positive, are {width:g} and {height:g}")
    return int(width), int(height)


def _pose(facts: Mapping[str, Any], where: str) -> Float64[np.ndarray, "4 4"]:
    try:
        matrix = np.array(facts.get("transform_matrix"), dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape not in ((3, 4), (4, 4)):
        raise ValueError(f"{where}: transform_matrix must be 4 rows of 4 numbers")
    return matrix if len(matrix) == 4 else np.vstack([matrix, [0.0, 0, 0, 1]])


def _lens(facts: Mapping[str, Any], size: Size, where: str) -> Float64[np.ndarray, "3 3"]:
    """Intrinsics divided by width and height; a principal point counts from the image's corner."""
    model = facts.get("camera_model", "PINHOLE")
    bent = {key: facts[key] for key in DISTORTION if facts.get(key)}
    if model not in PINHOLE_MODELS or bent:
        what = f"distortion {bent}" if bent else f"camera_model {model}"
        raise ValueError(
            f"{where} must be a pinhole camera, has {what}; undistort the images first (COLMAP's "
            f"image_undistorter)"
        )
    width, height = size
    focal_x = _focal(facts, "fl_x", "camera_angle_x", width, where)
    if focal_x is None:
        raise ValueError(f"{where} must state fl_x or camera_angle_x, states neither")
    focal_y = _focal(facts, "fl_y", "camera_angle_y", height, where) or focal_x
    center_x = _number(facts, "cx", where) if "cx" in facts else width / 2
    center_y = _number(facts, "cy", where) if "cy" in facts else height / 2
    return np.array(
        [
            [focal_x / width, 0, center_x / width],
            [0, focal_y / height, center_y / height],
            [0, 0, 1],
        ]
    )


def _focal(
    facts: Mapping[str, Any], length: str, angle: str, extent: int, where: str
) -> float | None:
    """Focal length in pixels, stated as such or as a field of view in rad."""
    if length in facts:
        return _number(facts, length, where)
    if angle in facts:
        return 0.5 * extent / math.tan(_number(facts, angle, where) / 2)
    return None


def _number(facts: Mapping[str, Any], key: str, where: str) -> float:
    try:
        return float(facts[key])
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {key} must be a number, is {facts[key]!r}") from None
