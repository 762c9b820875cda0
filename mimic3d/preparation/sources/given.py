"""The source `given`: images that come with cameras."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from mimic3d.preparation.cameras.table import CameraTable
from mimic3d.preparation.pose import Corners, PoseResult, Reject
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
    """File of the cameras within `path`; empty: the first of dataset.json, transforms.json,
    (sparse/0/)images.txt, cameras.csv and cameras.parquet."""


def plan_given(cfg: GivenConfig, raw: Path, request: PhotoRequest) -> DatasetPlan[Photo]:
    """One task per image that has a camera.

    Raises:
        ValueError: There is nothing to read, or cameras are missing or broken.
    """
    photos = find_photos(cfg, raw, KEY)
    cameras = find_cameras(photos, cfg.cameras)
    return plan_posed(
        cfg, KEY, photos, cameras, request, GivenPoses.name, GivenPoses, is_given=True
    )


@dataclass(frozen=True)
class GivenPoses:
    """Cameras by image id; crops the largest square in the middle unless told otherwise.

    Gates: no_camera, size.
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
        if np.isnan(crop).any():
            crop, intrinsics = middle_square(image.width, image.height, intrinsics)
        return PoseResult(
            table.cam2world[row].astype(np.float32),
            intrinsics.astype(np.float32),
            _corners(crop),
            float(table.confidence[row]),
            float(table.reproj_px[row]),
        )


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
