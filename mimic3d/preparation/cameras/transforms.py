"""transforms.json of NeRF's synthetic scenes, of nerfstudio and of instant-ngp.

Their cameras have OpenGL axes (y up, looking along -z) in a world with z up; ours are OpenCV's
(y down, looking along +z) in a world with y up. Where nerfstudio states applied_transform and
applied_scale, the poses are already moved by them, so they stand in the file's own frame.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from mimic3d.preparation.cameras.json_file import read_json
from mimic3d.preparation.cameras.table import CameraTable, build_table
from mimic3d.preparation.pose import Distortion

OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
Z_UP_TO_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
PERSPECTIVE_MODELS = (
    "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV",
)  # fmt: skip
FISHEYE_MODELS = (
    "OPENCV_FISHEYE", "FISHEYE", "SIMPLE_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE",
)  # fmt: skip
SPLIT_LISTS = {"train_filenames": "train", "val_filenames": "val", "test_filenames": "val"}
SIDE_KEYS = ("mask_path", "depth_file_path", "normal_file_path", "semantic_path")

Size = tuple[int, int]


@dataclass(frozen=True)
class Transforms:
    """Contents of a file, under the names of the images that are there."""

    table: CameraTable
    missing: list[str]
    """Images that are not there, as they are stated."""
    splits: dict[str, str] = field(default_factory=dict)
    """Split of the images that nerfstudio's lists name."""
    side_files: set[str] = field(default_factory=set)
    """Masks and depth maps that frames name."""


def read_transforms(
    data: bytes,
    path: str,
    resolve: Callable[[str], str | None],
    size_of: Callable[[str], Size],
    is_one_of_several: bool = False,
) -> Transforms:
    """The cameras of all frames; `size_of` tells an image's width and height if the file does not.

    One of several files, as those of splits, may have no frame.

    Raises:
        ValueError: The file is broken, states a lens that is not known, or two cameras of an image.
    """
    content = read_json(data, path)
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not (frames or is_one_of_several):
        raise ValueError(f"{path} must have a list `frames` of images and their cameras")
    _check_applied(content, path)
    rows: dict[str, _Row] = {}
    missing: list[str] = []
    side_files: set[str] = set()
    for number, frame in enumerate(frames):
        where = f"{path}: frame {number}"
        if not isinstance(frame, dict):
            raise ValueError(f"{where} must be an object of file_path and transform_matrix")
        facts = {**{key: value for key, value in content.items() if key != "frames"}, **frame}
        stated = facts.get("file_path")
        if not isinstance(stated, str):
            raise ValueError(f"{where} must have a file_path, has {stated!r}")
        side = [resolve(facts[key]) for key in SIDE_KEYS if isinstance(facts.get(key), str)]
        side_files |= {name for name in side if name is not None}
        image = resolve(stated)
        if image is None:
            missing.append(stated)
            continue
        row = _read_row(facts, image, size_of, where)
        if image in rows and not np.array_equal(rows[image].pose, row.pose, equal_nan=True):
            raise ValueError(f"{where} must be the only one of {image}, another has another camera")
        rows.setdefault(image, row)
    return Transforms(_build(rows), missing, _splits(content, resolve), side_files - set(rows))


@dataclass(frozen=True)
class _Row:
    pose: Float64[np.ndarray, "4 4"]
    intrinsics: Float64[np.ndarray, "3 3"]
    size: Size
    distortion: Distortion | None


def _read_row(
    facts: Mapping[str, Any], image: str, size_of: Callable[[str], Size], where: str
) -> _Row:
    size = _stated_size(facts, where) or size_of(image)
    return _Row(_pose(facts, where), _intrinsics(facts, size, where), size, _lens(facts, where))


def _build(rows: Mapping[str, _Row]) -> CameraTable:
    poses = np.array([row.pose for row in rows.values()]).reshape(-1, 4, 4)
    return build_table(
        list(rows),
        Z_UP_TO_Y_UP @ poses @ OPENGL_TO_OPENCV,
        np.array([row.intrinsics for row in rows.values()]).reshape(-1, 3, 3),
        sizes=np.array([row.size for row in rows.values()], dtype=np.int64).reshape(-1, 2),
        distortions=tuple(row.distortion for row in rows.values()),
    )


def _splits(content: Mapping[str, Any], resolve: Callable[[str], str | None]) -> dict[str, str]:
    splits = {}
    for key, split in SPLIT_LISTS.items():
        listed = content.get(key)
        for stated in listed if isinstance(listed, list) else []:
            name = resolve(str(stated))
            if name is not None:
                splits.setdefault(name, split)
    return splits


def _check_applied(content: Mapping[str, Any], path: str) -> None:
    """Raises ValueError for a mirroring or broken applied_transform, or an applied_scale of 0."""
    if "applied_transform" in content:
        try:
            rotation = np.array(content["applied_transform"], dtype=np.float64)[:3, :3]
            determinant = float(np.linalg.det(rotation))
        except (TypeError, ValueError, IndexError, np.linalg.LinAlgError):
            determinant = math.nan
        if not determinant > 0:
            raise ValueError(
                f"{path}: applied_transform must be 3 rows of 4 numbers that do not mirror, has "
                f"the determinant {determinant:.3g}"
            )
    if "applied_scale" in content and not _number(content, "applied_scale", path) > 0:
        raise ValueError(f"{path}: applied_scale must be positive, is {content['applied_scale']}")


def _stated_size(facts: Mapping[str, Any], where: str) -> Size | None:
    if facts.get("w") is None or facts.get("h") is None:
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


def _intrinsics(facts: Mapping[str, Any], size: Size, where: str) -> Float64[np.ndarray, "3 3"]:
    """Intrinsics divided by width and height; a principal point counts from the image's corner."""
    width, height = size
    focal_x = _focal(facts, "fl_x", "camera_angle_x", width, where)
    focal_y = _focal(facts, "fl_y", "camera_angle_y", height, where)
    focal_x = focal_y if focal_x is None else focal_x
    if focal_x is None:
        raise ValueError(f"{where} must state fl_x or camera_angle_x, states neither")
    center_x = _number(facts, "cx", where) if facts.get("cx") is not None else width / 2
    center_y = _number(facts, "cy", where) if facts.get("cy") is not None else height / 2
    return np.array(
        [
            [focal_x / width, 0, center_x / width],
            [0, (focal_y or focal_x) / height, center_y / height],
            [0, 0, 1],
        ]
    )


def _lens(facts: Mapping[str, Any], where: str) -> Distortion | None:
    model = str(facts.get("camera_model") or "PINHOLE").upper()
    if model not in (*PERSPECTIVE_MODELS, *FISHEYE_MODELS):
        raise ValueError(
            f"{where}: camera_model must be one of "
            f"{', '.join((*PERSPECTIVE_MODELS, *FISHEYE_MODELS))}, is {model}; undistort the "
            f"images first (COLMAP's image_undistorter)"
        )
    k1, k2, k3, k4, k5, k6, p1, p2 = (
        _number(facts, key, where) if facts.get(key) is not None else 0.0
        for key in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
    )
    is_fisheye = model in FISHEYE_MODELS or bool(facts.get("is_fisheye"))
    if is_fisheye:
        return Distortion("fisheye", (k1, k2, k3, k4), (p1, p2))
    if model == "FULL_OPENCV":
        distortion = Distortion("perspective", (k1, k2, k3, 0.0), (p1, p2), (k4, k5, k6))
    else:
        distortion = Distortion("perspective", (k1, k2, k3, k4), (p1, p2))
    return None if distortion == Distortion() else distortion


def _focal(
    facts: Mapping[str, Any], length: str, angle: str, extent: int, where: str
) -> float | None:
    """Focal length in pixels, stated as such or as a field of view in rad."""
    if facts.get(length) is not None:
        return _number(facts, length, where)
    if facts.get(angle) is not None:
        return 0.5 * extent / math.tan(_number(facts, angle, where) / 2)
    return None


def _number(facts: Mapping[str, Any], key: str, where: str) -> float:
    try:
        return float(facts[key])
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {key} must be a number, is {facts[key]!r}") from None
