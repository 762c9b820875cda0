"""Exact cameras of the procedural heads."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.config import Config
from mimic3d.data.poses.protocol import PoseResult, whole_image
from mimic3d.data.schema import EVAL_YAWS_RAD, SPLITS

# The heads stand in a room of the box (mimic3d/data/synthetic/render.py); these limits contain
# heads and walls, seen from every camera within the limits of the config.
SYNTHETIC_SCENE = Scene(near=2.5, far=3.6, box_warp=1.0)


class SyntheticConfig(Config):
    """How many procedural heads there are, and from where they are seen."""

    num_train: PositiveInt = 20_000
    """Training heads, one image each."""
    num_val: NonNegativeInt = 1_000
    """Validation heads, none of them a training head, one image each."""
    num_eval: NonNegativeInt = 64
    """Held-out heads that are seen from all the yaws of the protocol, with exact depth."""
    background: Literal["room", "constant"] = "room"
    """Every head has one background colour. room: on walls around it inside the box, which
    tri-planes can hold; constant: at infinity, with alpha 0. The pixels are the same."""
    yaw_sigma_rad: NonNegativeFloat = 0.289
    """Standard deviation of the yaw, rad; of FFHQ (GMPI)."""
    pitch_sigma_rad: NonNegativeFloat = 0.127
    """Standard deviation of the pitch, rad; of FFHQ (GMPI)."""
    yaw_limit_rad: float = Field(default=0.8, gt=0, le=0.8)
    """Larger yaws are drawn again, rad; beyond 0.8 a camera would look past the room."""
    pitch_limit_rad: float = Field(default=0.35, gt=0, le=0.35)
    """Larger pitches are drawn again, rad; beyond 0.35 a camera would look past the room."""


class SyntheticPoses:
    """Draws the cameras of all splits from a seed; every image has its own stream."""

    name = "synthetic"

    def __init__(self, cfg: SyntheticConfig, seed: int, resolution: int) -> None:
        self._cfg = cfg
        self._seed = seed
        self._crop = whole_image(resolution, resolution)
        self.splits: dict[str, list[str]] = {
            "train": [f"train-{index:07d}" for index in range(cfg.num_train)],
            "val": [f"val-{index:07d}" for index in range(cfg.num_val)],
            "eval_multiview": [
                f"eval-{index:07d}-{view}"
                for index in range(cfg.num_eval)
                for view in range(len(EVAL_YAWS_RAD))
            ],
        }
        self._poses = {
            image_id: pose
            for split, ids in self.splits.items()
            for image_id, pose in zip(ids, self._draw(split, len(ids)), strict=True)
        }

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult:
        """The camera the image was rendered with."""
        return self.pose(image_id)

    def pose(self, image_id: str) -> PoseResult:
        """The camera to render an image with."""
        return self._poses[image_id]

    def _draw(self, split: str, num: int) -> list[PoseResult]:
        if split == "eval_multiview":
            yaw = np.tile(EVAL_YAWS_RAD, self._cfg.num_eval)
            pitch = np.zeros(num)
        else:
            angles = [self._draw_angles(split, index) for index in range(num)]
            yaw, pitch = np.asarray(angles, dtype=np.float64).reshape(num, 2).T
        cameras = orbit_cameras(
            torch.from_numpy(yaw.copy()).float(),
            torch.from_numpy(pitch.copy()).float(),
            SYNTHETIC_SCENE,
        )
        pairs = zip(cameras.cam2world.numpy(), cameras.intrinsics.numpy(), strict=True)
        return [PoseResult(c, k, self._crop, 1.0, 0.0) for c, k in pairs]

    def _draw_angles(self, split: str, index: int) -> Float64[np.ndarray, " 2"]:
        rng = np.random.default_rng([self._seed, SPLITS.index(split), index, 1])
        sigma = self._cfg.yaw_sigma_rad, self._cfg.pitch_sigma_rad
        limit = self._cfg.yaw_limit_rad, self._cfg.pitch_limit_rad
        while True:
            angles = rng.normal(0, sigma)
            if (np.abs(angles) <= limit).all():
                return angles
