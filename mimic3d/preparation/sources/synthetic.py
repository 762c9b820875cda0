"""Cameras of the procedural subjects: exact, or with errors that are asked for."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from mimic3d.cameras import orbit_cameras
from mimic3d.config import Config
from mimic3d.data.schema import EVAL_YAWS_RAD, SPLITS
from mimic3d.preparation.pose import PoseResult, whole_image
from mimic3d.synthetic.identity import NO_POSE_BIAS, PoseBias
from mimic3d.synthetic.scene import SYNTHETIC_SCENE

Renderer = Literal["auto", "numpy", "torch"]
Angles = Float64[np.ndarray, "n 2"]  # yaw and pitch, rad


class SyntheticConfig(Config):
    """Numbers of procedural subjects, and the cameras that see them."""

    kind: Literal["heads", "cats"] = "heads"
    """Kind of subjects: human heads or cats."""
    num_train: PositiveInt = 20_000
    """Training subjects, one image each."""
    num_val: NonNegativeInt = 1_000
    """Validation subjects, none of them a training subject, one image each."""
    num_eval: NonNegativeInt = 64
    """Held-out subjects that are seen from all the yaws of the protocol, with exact depth."""
    background: Literal["room", "constant"] = "room"
    """Place of each subject's one background colour. room: on walls around it inside the box, which
    tri-planes can hold; constant: at infinity, with alpha 0. The pixels are the same."""
    yaw_sigma_rad: NonNegativeFloat = 0.289
    """Standard deviation of the yaw, rad; of FFHQ (GMPI)."""
    pitch_sigma_rad: NonNegativeFloat = 0.127
    """Standard deviation of the pitch, rad; of FFHQ (GMPI)."""
    yaw_limit_rad: float = Field(default=0.8, gt=0, le=0.8)
    """Greatest yaw, rad; larger ones are drawn again; beyond 0.8 a camera looks past the room."""
    pitch_limit_rad: float = Field(default=0.35, gt=0, le=0.35)
    """Greatest pitch, rad; larger ones are drawn again; beyond 0.35 a camera sees past the room."""
    pose_bias: float = Field(default=0, ge=0, le=1)
    """Correlation of the gaze with the yaw and of the smile with facing the camera, in training and
    validation images: as in photos that people pose for."""
    label_noise_rad: NonNegativeFloat = 0
    """Standard deviation of errors of yaw and pitch of the cameras written down for training and
    validation images, rad; factors keep the truth."""
    specular: NonNegativeFloat = 0
    """Strength of highlights, which move with the camera; with 0 views agree exactly."""
    renderer: Renderer = "auto"
    """Renderer. numpy: on all cores; torch: in batches, on the GPU if there is one; auto: torch
    where there is a GPU. The pixels are the same but for rounding."""


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
        self._angles: dict[str, tuple[float, float]] = {}
        self._poses: dict[str, PoseResult] = {}
        self._labels: dict[str, PoseResult] = {}
        for split, ids in self.splits.items():
            angles, errors = self._draw(split, len(ids))
            pairs = ((yaw, pitch) for yaw, pitch in angles.tolist())
            self._angles |= zip(ids, pairs, strict=True)
            self._poses |= zip(ids, self._look(angles), strict=True)
            self._labels |= zip(ids, self._look(angles + errors), strict=True)

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult:
        """The camera that is written down for an image."""
        return self.label(image_id)

    def label(self, image_id: str) -> PoseResult:
        """The camera that is written down for an image: that of `pose`, or with an error."""
        return self._labels[image_id]

    def pose(self, image_id: str) -> PoseResult:
        """The camera to render an image with."""
        return self._poses[image_id]

    def angles(self, image_id: str) -> tuple[float, float]:
        """Yaw and pitch of `pose`, rad."""
        return self._angles[image_id]

    def pose_bias(self, image_id: str) -> PoseBias:
        """Bias of a subject's smile and gaze to its camera; the same in all held-out images."""
        if image_id.startswith("eval"):
            return NO_POSE_BIAS
        yaw, sigma = self._angles[image_id][0], self._cfg.yaw_sigma_rad
        return PoseBias(self._cfg.pose_bias, yaw / sigma if sigma else 0.0)

    def _draw(self, split: str, num: int) -> tuple[Angles, Angles]:
        """True angles, and errors of those written down."""
        if split == "eval_multiview":
            yaw = np.tile(EVAL_YAWS_RAD, self._cfg.num_eval)
            return np.stack([yaw, np.zeros(num)], axis=1), np.zeros((num, 2))
        angles = np.asarray([self._draw_angles(split, index) for index in range(num)])
        errors = np.asarray([self._draw_error(split, index) for index in range(num)])
        return angles.reshape(num, 2), errors.reshape(num, 2)

    def _look(self, angles: Angles) -> list[PoseResult]:
        yaw, pitch = torch.from_numpy(angles.T.copy()).float()
        cameras = orbit_cameras(yaw, pitch, SYNTHETIC_SCENE)
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

    def _draw_error(self, split: str, index: int) -> Float64[np.ndarray, " 2"]:
        rng = np.random.default_rng([self._seed, SPLITS.index(split), index, 2])
        return rng.normal(0, self._cfg.label_noise_rad, 2)
