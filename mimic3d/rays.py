"""Cameras to rays, for a whole image or for windows of it."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from mimic3d.cameras import Cameras


@dataclass(frozen=True)
class Rays:
    """Rays in the world; directions have unit length, pixels are ordered row by row."""

    origins: Float[Tensor, "n r 3"]
    directions: Float[Tensor, "n r 3"]


@dataclass(frozen=True)
class Windows:
    """Square windows of images, one per sample: top left pixel and side in pixels."""

    top: Int[Tensor, " n"]
    left: Int[Tensor, " n"]
    size: int


def random_windows(num: int, resolution: int, size: int, rng: torch.Generator) -> Windows:
    """Windows at uniformly drawn integer positions inside the image (Mimic3D)."""
    corner = torch.randint(
        resolution - size + 1, (2, num), generator=rng, device=rng.device
    )  # stays on the device: reading it back would stall the GPU
    return Windows(corner[0], corner[1], size)


def _axes(windows: Windows | None, num: int, resolution: int, device: torch.device):
    if windows is None:
        steps = torch.arange(resolution, device=device).expand(num, resolution)
        return steps, steps
    steps = torch.arange(windows.size, device=device)
    return windows.top[:, None] + steps, windows.left[:, None] + steps


def crop(image: Float[Tensor, "n c h w"], windows: Windows) -> Float[Tensor, "n c h2 w2"]:
    """The pixels of each sample's window."""
    rows, columns = _axes(windows, image.shape[0], image.shape[-1], image.device)
    batch = torch.arange(image.shape[0], device=image.device)
    picked = image[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return rearrange(picked, "n h w c -> n c h w")


def cast_rays(cameras: Cameras, resolution: int, windows: Windows | None = None) -> Rays:
    """Rays through the pixel centres of a square image, or of one window of it per camera.

    Pixel (i, j) is seen at u = (j + 0.5) / resolution, v = (i + 0.5) / resolution.
    """
    num = len(cameras)
    rows, columns = _axes(windows, num, resolution, cameras.cam2world.device)
    v = (rows[:, :, None] + 0.5) / resolution  # n h 1
    u = (columns[:, None, :] + 0.5) / resolution  # n 1 w
    fx, skew, cx = (cameras.intrinsics[:, 0, k, None, None] for k in range(3))
    fy, cy = (cameras.intrinsics[:, 1, k, None, None] for k in (1, 2))
    y = (v - cy) / fy
    x = (u - cx - skew * y) / fx
    x, y = torch.broadcast_tensors(x, y)
    local = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    local = rearrange(local, "n h w xyz -> n (h w) xyz")
    directions = local @ rearrange(cameras.cam2world[:, :3, :3], "n i j -> n j i")
    directions = torch.nn.functional.normalize(directions, dim=-1)
    origins = cameras.centers[:, None].expand_as(directions)
    return Rays(origins, directions)
