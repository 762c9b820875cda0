"""Results and protocols of all sources of cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from PIL import Image

Corners = tuple[float, float, float, float, float, float, float, float]


@dataclass(frozen=True)
class Distortion:
    """Coefficients of a lens, in the order of COLMAP; see `lens.py`."""

    projection: Literal["perspective", "fisheye", "fov", "division"] = "perspective"
    radial: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Coefficients of the 2nd, 4th, 6th and 8th power of the radius."""
    tangential: tuple[float, float] = (0.0, 0.0)
    denominator: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Coefficients of a rational model's denominator, 2nd, 4th and 6th power."""
    thin_prism: tuple[float, float] = (0.0, 0.0)
    strength: float = 0.0
    """Strength of the projections fov (rad) and division."""


@dataclass(frozen=True)
class Lens:
    """A distorted camera, in source pixels; 0 is the left or upper edge of the photo."""

    distortion: Distortion
    focal: tuple[float, float]
    center: tuple[float, float]
    """The principal point."""


@dataclass(frozen=True)
class PoseResult:
    """The camera of one image and how far to trust it."""

    cam2world: Float32[np.ndarray, "4 4"]
    intrinsics: Float32[np.ndarray, "3 3"]
    crop: Corners
    """Corners (x, y) of the crop in source pixels, clockwise from the top left; (0, 0) is the
    corner of the first pixel."""
    confidence: float
    reproj_px: float
    """Residual of the landmarks in source pixels; 0 where nothing was fitted."""
    landmarks: Float32[np.ndarray, "m 2"] | None = None
    """Landmarks of the fit, in source pixels as `crop`; None where nothing was fitted."""
    lens: Lens | None = None
    """Lens of a photo with distortion: `crop` is then of the ideal image; None for a pinhole."""


@dataclass(frozen=True)
class Reject:
    """Reason why an image is left out: the gate, the value found and the threshold it missed."""

    gate: str
    value: float
    threshold: float


@dataclass(frozen=True)
class Detection:
    """Box of a detected object, and its scores."""

    box: tuple[float, float, float, float]
    """Box edges left, top, right and bottom, source pixels."""
    score: float
    """Score of the detector, 0 to 1."""
    presence: float
    """Presence by the network that laid landmarks there, 0 to 1."""


@dataclass(frozen=True)
class Estimate:
    """The camera of one object of an image, or why it has none."""

    result: PoseResult | Reject
    detection: Detection | None = None
    detail: str = ""
    """Facts that the numbers of a reject do not say."""


@runtime_checkable
class PoseEstimator(Protocol):
    """A source of cameras; `name` is written into the column `estimator`."""

    name: str

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The camera of an image, or why it has none."""
        ...


@runtime_checkable
class MultiPoseEstimator(PoseEstimator, Protocol):
    """A source of cameras that finds any number of objects in an image."""

    def estimate_all(self, image: Image.Image, image_id: str) -> Sequence[Estimate]:
        """Estimates of all objects, the largest first, or one reject where there is none."""
        ...


def whole_image(width: int, height: int) -> Corners:
    """The crop that keeps everything."""
    return (0.0, 0.0, float(width), 0.0, float(width), float(height), 0.0, float(height))
