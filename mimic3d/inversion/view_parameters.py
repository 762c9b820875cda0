"""Six numbers of a camera that a network can predict: angles on the orbit, roll, and an offset."""

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, orbit_cameras

NUM_PARAMETERS = 6


def cameras_from_parameters(parameters: Float[Tensor, "n 6"], scene: Scene) -> Cameras:
    """Cameras of yaw, pitch and roll (rad), moved to their right, down and forward (world units).

    Yaw and pitch place the camera on the scene's sphere (`orbit_cameras`), roll turns it about its
    optical axis, positive from its right to its down; then it is moved along its own axes.
    """
    yaw, pitch, roll = parameters[:, 0], parameters[:, 1], parameters[:, 2]
    upright = orbit_cameras(yaw, pitch, scene)
    cos, sin, zero = roll.cos(), roll.sin(), torch.zeros_like(roll)
    turn = torch.stack(
        [
            torch.stack([cos, -sin, zero], dim=1),
            torch.stack([sin, cos, zero], dim=1),
            torch.stack([zero, zero, zero + 1], dim=1),
        ],
        dim=1,
    )  # n 3 3, camera axes after the turn as columns
    rotation = upright.cam2world[:, :3, :3] @ turn
    center = upright.centers + (rotation @ parameters[:, 3:, None])[:, :, 0]
    top = torch.cat([rotation, center[:, :, None]], dim=2)
    return Cameras(torch.cat([top, upright.cam2world[:, 3:]], dim=1), upright.intrinsics)
