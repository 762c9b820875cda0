"""Directions of the surface that a depth map describes."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras
from mimic3d.rays import cast_rays


def depth_normals(depth: Float[Tensor, "n 1 h w"], cameras: Cameras) -> Float[Tensor, "n 3 h w"]:
    """Unit normals in the viewer's axes: x to the right, y up, z to the viewer.

    The surface through the points at these distances along the rays. Of the differences to both
    neighbours the shorter one counts, so that an edge of depth does not tilt what is beside it.
    """
    side = depth.shape[-1]
    rays = cast_rays(cameras, side)
    distance = rearrange(depth, "n 1 h w -> n (h w) 1")
    local = distance * rays.directions @ cameras.cam2world[:, :3, :3]  # OpenCV axes
    points = rearrange(local, "n (h w) xyz -> n h w xyz", h=side)
    across, down = _step(points, 2), _step(points, 1)
    normals = F.normalize(torch.linalg.cross(down, across), dim=-1)
    upright = normals * normals.new_tensor([1.0, -1.0, -1.0])
    return rearrange(upright, "n h w xyz -> n xyz h w")


def _step(points: Float[Tensor, "n h w 3"], axis: int) -> Float[Tensor, "n h w 3"]:
    """Difference from each point to the next along an axis, by the shorter of both differences."""
    steps = points.diff(dim=axis)
    size = steps.shape[axis]
    first, last = steps.narrow(axis, 0, 1), steps.narrow(axis, size - 1, 1)
    backward, forward = torch.cat([first, steps], axis), torch.cat([steps, last], axis)
    is_shorter = backward.norm(dim=-1, keepdim=True) < forward.norm(dim=-1, keepdim=True)
    return torch.where(is_shorter, backward, forward)
