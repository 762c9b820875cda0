"""The source `given`: images that come with cameras."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from mimic3d.preparation.cameras.table import CameraTable
from mimic3d.preparation.lens import MIN_SCALE, undistorted_square
from mimic3d.preparation.pose import Corners, Distortion, Lens, PoseResult, Reject
from mimic3d.preparation.sources.crop import Photo
from mimic3d.preparation.sources.find_cameras import find_cameras
from mimic3d.preparation.sources.photo_set import PhotoRequest, find_photos
from mimic3d.preparation.sources.plan import DatasetPlan
from mimic3d.preparation.sources.posed_set import PosedSetConfig, plan_posed

KEY = "prepare.given"
MAX_ASPECT_ERROR = 0.01  # of width / height; images made smaller are rounded to whole pixels


class GivenConfig(PosedSetConfig):
    """Images with cameras in the layout of EG3D, NeRF, nerfstudio or COLMAP, or in a table."""

    cameras: str = ""
    """File of the cameras within `path`, or folder of a COLMAP model; empty: the first of
    dataset.json (or a single dataset_*.json), transforms.json, transforms_train/val/test.json,
    COLMAP's sparse/0/ (the largest of several models), cameras.csv and cameras.parquet."""
    images: str = ""
    """Folder of the images within `path`, such as images_4; empty: the one that the file of cameras
    names, or that has most of its images."""


def plan_given(cfg: GivenConfig, raw: Path, request: PhotoRequest) -> DatasetPlan[Photo]:
    """Plan of one task per image that has a camera.

    Raises:
        ValueError: There is nothing to read, or cameras are missing or broken.
    """
    photos = find_photos(cfg, raw, KEY)
    cameras = find_cameras(photos, cfg.cameras, cfg.images)
    return plan_posed(
        cfg, KEY, photos, cameras, request, GivenPoses.name, GivenPoses, is_given=True
    )


@dataclass(frozen=True)
class GivenPoses:
    """Cameras by image id; crops the largest square in the middle unless told otherwise.

    Of a photo with distortion, the crop is of the ideal pinhole image; see `lens.py`. Gates:
    no_camera, size, lens.
    """

    name = "given"

    table: CameraTable

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The image's camera, of the crop."""
        table = self.table
        row = table.rows.get(image_id)
        if row is None:
            return Reject("no_camera", 0.0, 1.0)
        width, height = (int(number) for number in table.sizes[row])
        aspect, stated = image.width / image.height, width / height if height else 0.0
        if stated and abs(aspect / stated - 1) > MAX_ASPECT_ERROR:
            return Reject("size", aspect, stated)
        crop, intrinsics = table.crops[row], table.intrinsics[row]
        lens = source_lens(table.distortions[row], image.size, intrinsics)
        if lens is not None:
            corners, scale = undistorted_square(image.width, image.height, lens)
            if scale < MIN_SCALE:
                return Reject("lens", scale, MIN_SCALE)
            crop = np.array(corners)
            intrinsics = crop_intrinsics(crop, image.size, intrinsics)
        elif np.isnan(crop).any():
            crop, intrinsics = middle_square(image.width, image.height, intrinsics)
        return PoseResult(
            table.cam2world[row].astype(np.float32),
            intrinsics.astype(np.float32),
            _corners(crop),
            float(table.confidence[row]),
            float(table.reproj_px[row]),
            lens=lens,
        )


def source_lens(
    distortion: Distortion | None, size: tuple[int, int], intrinsics: Float64[np.ndarray, "3 3"]
) -> Lens | None:
    """The lens of a photo of this size; None for a pinhole, or for a focal length that is none."""
    if distortion is None or not np.isfinite(intrinsics).all():
        return None
    focal_x, focal_y = intrinsics[0, 0] * size[0], intrinsics[1, 1] * size[1]
    if not min(focal_x, focal_y) > 0:
        return None
    center = float(intrinsics[0, 2] * size[0]), float(intrinsics[1, 2] * size[1])
    return Lens(distortion, (float(focal_x), float(focal_y)), center)


def crop_intrinsics(
    crop: Float64[np.ndarray, " 8"], size: tuple[int, int], intrinsics: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "3 3"]:
    """Intrinsics of an upright square of an image, divided by its side."""
    pixels = np.diag([*size, 1.0]) @ intrinsics
    pixels[:2, 2] -= crop[:2]
    side = crop[2] - crop[0]
    return np.diag([1 / side, 1 / side, 1.0]) @ pixels


def middle_square(
    width: int, height: int, intrinsics: Float64[np.ndarray, "3 3"]
) -> tuple[Float64[np.ndarray, " 8"], Float64[np.ndarray, "3 3"]]:
    """Corners of the largest square in the middle, on whole pixels, and its intrinsics."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    right, bottom = left + side, top + side
    corners = np.array([left, top, right, top, right, bottom, left, bottom], dtype=np.float64)
    if width == height:
        return corners, intrinsics
    pixels = np.diag([width, height, 1.0]) @ intrinsics
    pixels[0, 2] -= left
    pixels[1, 2] -= top
    return corners, np.diag([1 / side, 1 / side, 1.0]) @ pixels


def _corners(crop: Float64[np.ndarray, " 8"]) -> Corners:
    ax, ay, bx, by, cx, cy, dx, dy = crop.tolist()
    return ax, ay, bx, by, cx, cy, dx, dy
