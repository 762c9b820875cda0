"""Landmarks and axes drawn on a crop, for a person to judge a pose by. Without torch."""

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from mimic3d.preparation.pose import PoseResult
from mimic3d.preparation.poses.lookat import Point

AXIS_LENGTH = 0.12  # world units; 4 cm, a fifth of the crop
AXIS_COLORS = ((255, 64, 64), (64, 220, 64), (80, 128, 255))  # x, y, z
DOT_COLOR = (255, 230, 0)
FINENESS = 4  # drawn larger and reduced, so that lines are smooth


def draw_overlay(
    crop: UInt8[np.ndarray, "h w 3"], pose: PoseResult, origin: Point, side: int
) -> Image.Image:
    """The crop at `side` pixels; yellow: landmarks; red, green, blue: the world's x, y, z.

    The axes start at `origin` (the scene's pivot). x points to the subject's left, y up and z out
    of the face: towards the viewer if the pose is right.
    """
    picture = Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC)
    layer = picture.resize((side * FINENESS, side * FINENESS), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(layer)
    width = max(FINENESS, layer.width // 100)
    if pose.landmarks is not None:
        for x, y in _in_crop(pose) * layer.width:
            draw.ellipse((x - width, y - width, x + width, y + width), DOT_COLOR)
    ends = np.asarray(origin) + np.concatenate([np.zeros((1, 3)), AXIS_LENGTH * np.eye(3)])
    start, *tips = _project(ends, pose) * layer.width
    for tip, color in zip(tips, AXIS_COLORS, strict=True):
        draw.line((*start, *tip), color, width)
    drawn = layer.resize((side, side), Image.Resampling.BOX)
    return drawn


def _in_crop(pose: PoseResult) -> Float64[np.ndarray, "m 2"]:
    """The landmarks, shares of the crop's side from its top left corner."""
    assert pose.landmarks is not None
    corners = np.array(pose.crop).reshape(4, 2)
    sides = np.stack([corners[1] - corners[0], corners[3] - corners[0]], axis=1)
    return np.linalg.solve(sides, (pose.landmarks - corners[0]).T).T


def _project(points: Float64[np.ndarray, "m 3"], pose: PoseResult) -> Float64[np.ndarray, "m 2"]:
    """World points, shares of the crop's side from its top left corner."""
    cam2world = pose.cam2world.astype(np.float64)
    local = (points - cam2world[:3, 3]) @ cam2world[:3, :3]
    return (local / local[:, 2:] @ pose.intrinsics.T)[:, :2]
