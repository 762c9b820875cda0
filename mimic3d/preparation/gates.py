"""Quality gates: keep an image (None), or reject it with gate, value and threshold.

Order: the file, the source image, the pose estimator's own gates, the camera, the pose, the crop;
the first that fails is named. Near copies and outlying distances show among all images only: see
`review.py` and `cameras/normalize.py`. Imports no torch.
"""

import math

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from mimic3d.config import Config
from mimic3d.preparation.pose import Corners, PoseResult, Reject
from mimic3d.preparation.warp import padded_share

Point = tuple[float, float, float]

MAX_ROW_ERROR = 1e-6  # of the constant entries of the matrices
CONTRAST = 45  # deviation of grey that sharpness is stated for, that of a usual face
NOISE = 0.75  # deviation of grey that is noise or rounding, not detail
FLAT = 5  # deviation of grey that is no contrast
MIDDLE = (0.25, 0.8)  # rows and columns of a crop that a face fills, shares of its side
SHARPNESS_SIZE = 512  # pixels at which the threshold of sharpness is stated


class GatesConfig(Config):
    """Thresholds that an image must meet to be kept; null turns a gate off."""

    max_file_mib: PositiveFloat = 256
    """Size above which files are not read, MiB; our choice, a bound of memory."""
    max_megapixels: PositiveFloat = 120
    """Size above which images are not decoded, megapixels; our choice, a bound of memory."""
    min_side_ratio: PositiveFloat | None = 1.0
    """Shorter side of the source image, in multiples of prepare.resolution (WildHead)."""
    min_confidence: float | None = Field(default=0.5, ge=0, le=1)
    """Confidence of the pose estimator in its answer; MediaPipe's own threshold of presence."""
    max_rotation_error: PositiveFloat = 1e-3
    """Deviation of a camera's rotation R, det R and R R^T, from 1; labels are rounded."""
    min_principal_point: float = Field(default=0.4, ge=0, le=0.5)
    """Least share of the crop at which the principal point may lie, and 1 minus the greatest."""
    origin_margin: float | None = Field(default=0.1, ge=0, lt=0.5)
    """Share by which the world origin, centre of the tri-planes, must project inside the crop."""
    max_radius_deviation: PositiveFloat | None = 3.0
    """Distance of a camera from orbit_center against the median, in robust standard deviations
    (1.48 MAD, at least 1 % of the median); of cameras that come with the images."""
    max_yaw_deg: PositiveFloat | None = 80
    """Yaw by position about orbit_center, to either side (PanoHead)."""
    max_pitch_deg: PositiveFloat | None = 60
    """Pitch by position about orbit_center, up or down; ours, PanoHead has 90."""
    max_roll_deg: PositiveFloat | None = 50
    """Turn of the head that is left in the crop, to either side (PanoHead). Crops of photos and
    landmarks are set upright whatever the turn in the photo, so that nothing is left, but with crop
    none; cameras that come with the images keep theirs."""
    max_padded_share: float | None = Field(default=0.2, ge=0, le=1)
    """Share of the crop's area outside the source image, where its mirror image continues; ours:
    tight portraits have 0.13 to 0.19."""
    min_crop_ratio: PositiveFloat | None = 0.5
    """Side of the crop in source pixels, in multiples of prepare.resolution (PanoHead)."""
    min_sharpness: NonNegativeFloat | None = 30
    """Variance of the Laplacian of grey in the middle of the crop, where the face is, as if the
    grey deviated by 45 of 255 there: neither light nor skin nor background count. At 512 px; at
    another resolution times sqrt(512 / resolution), as edges fill more of a smaller image. Ours:
    faces enlarged 2 times have 43 and more, enlarged 4 times less than 25."""
    max_duplicate_bits: int | None = Field(default=4, ge=0, le=16)
    """Difference in the 64 bits of their dHash up to which two images are the same, if their greys
    at 16 x 16 px correlate too, by 0.98 and more; ours. Copies with large writing on them, or
    turned to other colours, may be kept."""
    judge_given: bool = False
    """True if pose range, sharpness and likeness of images with given cameras are judged too: they
    are another's choice, and a scene may be seen from all around, in many like views."""
    max_rejected_share: float = Field(default=0.5, ge=0, le=1)
    """Greatest share of rejected images; with more the stage fails: something else is wrong. Photos
    without a face do not count."""
    max_faceless_share: float = Field(default=0.9, ge=0, le=1)
    """Share of the photos without a face (gates no_face and presence); if more, the stage fails."""
    min_kept: PositiveInt = 10
    """Least number of images; with fewer the stage fails."""
    min_yaw_spread_deg: NonNegativeFloat = 1.0
    """Standard deviation of the yaw; with less the stage fails: one view shows no shape."""


LAST_GATES = (
    "max_duplicate_bits",
    "max_rejected_share",
    "max_faceless_share",
    "min_kept",
    "min_yaw_spread_deg",
)
"""Fields that concern all images together, at the end."""


def check_source(image: Image.Image, resolution: int, cfg: GatesConfig) -> Reject | None:
    """Rejects images that are smaller than the crop made of them."""
    if cfg.min_side_ratio is None:
        return None
    return _at_least("min_side", min(image.size), cfg.min_side_ratio * resolution)


def check_camera(
    cam2world: Float32[np.ndarray, "4 4"], intrinsics: Float32[np.ndarray, "3 3"], cfg: GatesConfig
) -> Reject | None:
    """Rejects matrices that are no camera, or one that looks past the world origin."""
    reject = check_rotation(cam2world.astype(np.float64), cfg)
    if reject is not None:
        return reject
    if not np.isfinite(intrinsics).all():
        return Reject("finite", math.nan, 0.0)
    row_error = float(np.abs(np.r_[intrinsics[2] - [0, 0, 1], intrinsics[1, :1]]).max())
    focal = float(min(intrinsics[0, 0], intrinsics[1, 1]))
    if focal <= 0:
        return Reject("focal", focal, 0.0)
    low = cfg.min_principal_point
    return (
        _at_most("last_row", row_error, MAX_ROW_ERROR)
        or _within("principal_point", float(intrinsics[0, 2]), low, 1 - low)
        or _within("principal_point", float(intrinsics[1, 2]), low, 1 - low)
        or _check_origin(cam2world, intrinsics, cfg)
    )


def check_rotation(cam2world: Float64[np.ndarray, "4 4"], cfg: GatesConfig) -> Reject | None:
    """Rejects matrices that are not a rotation and a place."""
    if not np.isfinite(cam2world).all():
        return Reject("finite", math.nan, 0.0)
    rotation = cam2world[:3, :3]
    determinant = float(np.linalg.det(rotation))
    if abs(determinant - 1) > cfg.max_rotation_error:
        return Reject("determinant", determinant, 1.0)
    skewness = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    row_error = float(np.abs(cam2world[3] - [0, 0, 0, 1]).max())
    return _at_most("orthonormal", skewness, cfg.max_rotation_error) or _at_most(
        "last_row", row_error, MAX_ROW_ERROR
    )


def check_pose(pose: PoseResult, center: Point, cfg: GatesConfig) -> Reject | None:
    """Rejects poses outside the range that a dataset of crops can serve."""
    yaw, pitch = np.degrees(position_angles(pose.cam2world, center))
    limits = {
        "yaw": (abs(yaw), cfg.max_yaw_deg),
        "pitch": (abs(pitch), cfg.max_pitch_deg),
        "roll": (abs(math.degrees(roll_in_crop(pose))), cfg.max_roll_deg),
    }
    for gate, (value, limit) in limits.items():
        if limit is not None and value > limit:
            return Reject(gate, float(value), limit)
    return None


def check_crop(
    pose: PoseResult, size: tuple[int, int], resolution: int, cfg: GatesConfig
) -> Reject | None:
    """Rejects guesses without trust, and crops that leave the image or would be enlarged."""
    if cfg.min_confidence is not None and pose.confidence < cfg.min_confidence:
        return Reject("confidence", pose.confidence, cfg.min_confidence)
    if cfg.min_crop_ratio is not None:
        reject = _at_least("upscaling", crop_side(pose.crop), cfg.min_crop_ratio * resolution)
        if reject is not None:
            return reject
    if cfg.max_padded_share is None:
        return None
    return _at_most("padded", padded_share(pose.crop, size), cfg.max_padded_share)


def check_sharpness(pixels: UInt8[np.ndarray, "h w 3"], cfg: GatesConfig) -> Reject | None:
    """Rejects crops without fine detail: out of focus, moved, or enlarged before."""
    if cfg.min_sharpness is None:
        return None
    threshold = cfg.min_sharpness * math.sqrt(SHARPNESS_SIZE / len(pixels))
    return _at_least("blur", sharpness(pixels), threshold)


def sharpness(pixels: UInt8[np.ndarray, "h w 3"]) -> float:
    """Variance of the Laplacian over that of grey, both in the middle, times CONTRAST^2."""
    low, high = (round(share * len(pixels)) for share in MIDDLE)
    middle = Image.fromarray(pixels[low:high, low:high]).convert("L")
    grey = np.asarray(middle, dtype=np.float32)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1]
    laplacian = laplacian - grey[1:-1, :-2] - grey[1:-1, 2:]
    detail = max(0.0, float(laplacian.var()) - 20 * NOISE**2)  # 4^2 + 4 of white noise
    return CONTRAST**2 * detail / (float(grey.var()) + FLAT**2)


def position_angles(cam2world: Float32[np.ndarray, "4 4"], center: Point) -> tuple[float, float]:
    """Yaw and pitch (rad) of a camera's position; as `mimic3d.cameras.position_angles`."""
    x, y, z = (cam2world[:3, 3] - np.asarray(center)).tolist()
    return math.atan2(x, z), math.atan2(y, math.hypot(x, z))


def roll_in_crop(pose: PoseResult) -> float:
    """Turn of the upright direction in the crop, rad, clockwise."""
    up = pose.cam2world[1, :3]  # the world's up in camera axes
    return math.atan2(float(up[0]), -float(up[1]))


def crop_side(crop: Corners) -> float:
    """Length of the crop's upper edge, source pixels."""
    return math.hypot(crop[2] - crop[0], crop[3] - crop[1])


def _check_origin(
    cam2world: Float32[np.ndarray, "4 4"], intrinsics: Float32[np.ndarray, "3 3"], cfg: GatesConfig
) -> Reject | None:
    if cfg.origin_margin is None:
        return None
    local = -cam2world[:3, :3].T @ cam2world[:3, 3]
    if local[2] <= 0:
        return Reject("origin", math.nan, cfg.origin_margin)
    position = (intrinsics @ (local / local[2]))[:2]
    return _at_least("origin", float(np.minimum(position, 1 - position).min()), cfg.origin_margin)


def _at_least(gate: str, value: float, threshold: float) -> Reject | None:
    return Reject(gate, float(value), float(threshold)) if value < threshold else None


def _at_most(gate: str, value: float, threshold: float) -> Reject | None:
    return Reject(gate, float(value), float(threshold)) if value > threshold else None


def _within(gate: str, value: float, low: float, high: float) -> Reject | None:
    return _at_least(gate, value, low) or _at_most(gate, value, high)
