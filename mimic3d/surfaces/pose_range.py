"""Cameras over the poses of a dataset: those that splats are taken from, and others to judge by."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, orbit_cameras

DEFAULT_YAW_RAD, DEFAULT_PITCH_RAD = 0.4, 0.2  # where a snapshot does not tell its dataset's
NUM_DEVIATIONS = 2.0  # of a normal distribution, 95 % of it
LARGEST_PITCH_RAD = 1.2
YAW_STEP_RAD = 0.3  # at most, between neighbouring views
FEWEST_YAWS, NUM_PITCHES = 5, 3


@dataclass(frozen=True)
class PoseRange:
    """Range of cameras: yaw and pitch up to these to either side, rad."""

    yaw_rad: float
    pitch_rad: float


def pose_range(average_label: tuple[float, ...]) -> PoseRange:
    """Range of the cameras of a dataset, from its mean label: two standard deviations.

    The mean of cos(yaw) over a normal distribution of deviation s is exp(-s^2 / 2), and it is the
    first entry of the mean rotation; that of cos(pitch) is the fifth. A mean label that is a single
    camera, as of converted checkpoints, tells nothing: then +-0.4 and +-0.2 rad.
    """
    cosines = abs(average_label[0]), abs(average_label[5])
    yaw, pitch = (
        NUM_DEVIATIONS * math.sqrt(-2 * math.log(min(max(cosine, 1e-4), 1.0))) for cosine in cosines
    )
    if yaw < 0.01:
        return PoseRange(DEFAULT_YAW_RAD, DEFAULT_PITCH_RAD)
    return PoseRange(min(yaw, math.pi), min(pitch, LARGEST_PITCH_RAD))


def grid_cameras(extent: PoseRange, scene: Scene) -> Cameras:
    """Cameras on a grid over the range, its corners included, the middle one first."""
    num_yaws = max(FEWEST_YAWS, 2 * math.ceil(extent.yaw_rad / YAW_STEP_RAD) + 1)
    yaw = torch.linspace(-extent.yaw_rad, extent.yaw_rad, num_yaws)
    pitch = torch.linspace(-extent.pitch_rad, extent.pitch_rad, NUM_PITCHES)
    yaw, pitch = (x.flatten() for x in torch.meshgrid(yaw, pitch, indexing="ij"))
    nearest_first = (yaw.square() + pitch.square()).argsort(stable=True)
    return orbit_cameras(yaw[nearest_first], pitch[nearest_first], scene)


def random_cameras(extent: PoseRange, scene: Scene, num: int, seed: int) -> Cameras:
    """Cameras drawn uniformly from the range."""
    rng = torch.Generator().manual_seed(seed)
    angles: Float[Tensor, "2 n"] = torch.rand((2, num), generator=rng) * 2 - 1
    return orbit_cameras(angles[0] * extent.yaw_rad, angles[1] * extent.pitch_rad, scene)
