"""Landmarks and a template -> camera and crop, for faces and tables of landmarks alike."""

from typing import Literal

import numpy as np
from jaxtyping import Float64
from pydantic import PositiveFloat

from mimic3d.config import Config
from mimic3d.preparation.pose import Corners, PoseResult, Reject, whole_image
from mimic3d.preparation.poses.lookat import fit_look_at
from mimic3d.preparation.poses.pinhole import fit_pinhole
from mimic3d.preparation.poses.template import Template


class FitConfig(Config):
    """Fit of a camera to landmarks."""

    crop: Literal["pose", "none"] = "pose"
    """Crop of images. pose: cut out, turned upright and centred as the camera looks; none: they are
    square and aligned already (FFHQ, AFHQ), stay as they are, and the camera keeps their roll."""
    max_reprojection: PositiveFloat = 0.05
    """Root mean square distance of the landmarks from the template, share of the crop's side;
    more is rejected. Eight real faces have 0.006 to 0.019 with the built-in template."""


def fit_pose(
    cfg: FitConfig,
    template: Template,
    landmarks: Float64[np.ndarray, "m 2"],
    weights: Float64[np.ndarray, " m"],
    size: tuple[int, int],
    confidence: float,
) -> PoseResult | Reject:
    """The camera whose view of the template lies on the landmarks (pixels) of an image.

    Landmarks of weight 0 are unknown. Gates: square (crop none only), reprojection.
    """
    width, height = size
    points, orbit = template.points, template.orbit
    if cfg.crop == "none":
        if width != height:
            return Reject("square", width / height, 1.0)
        cam2world, rms = fit_pinhole(landmarks[None] / width, weights[None], points, orbit)
        corners, side = whole_image(width, height), float(width)
    else:
        fit = fit_look_at(landmarks[None], weights[None], points, orbit)
        cam2world, rms = fit.cam2world(orbit), fit.rms
        corners, side = _corners(fit.corners[0]), float(np.abs(fit.scale[0]))
    if rms[0] > cfg.max_reprojection:
        return Reject("reprojection", float(rms[0]), cfg.max_reprojection)
    return PoseResult(
        cam2world[0].astype(np.float32),
        orbit.intrinsics().astype(np.float32),
        corners,
        confidence,
        float(rms[0]) * side,
        landmarks[weights > 0].astype(np.float32),
    )


def _corners(points: Float64[np.ndarray, "4 2"]) -> Corners:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points.tolist()
    return ax, ay, bx, by, cx, cy, dx, dy
