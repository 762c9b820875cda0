"""The epipolar image: one row of pixels over a sweep of cameras, of both branches.

A point of a rigid object draws a smooth line; texture that sticks to the screen draws a vertical
one, flicker a broken one.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.gallery.panels import Panel, draw, one_object
from mimic3d.gallery.stills import enlarge, image_grid
from mimic3d.metrics.flow import epipolar_slice
from mimic3d.networks.generator import Generator

SMALLEST_EPI = 512  # pixels across; smaller pictures are enlarged


def epipolar_images(
    G: Generator, ws: Float[Tensor, "1 l w_dim"], cameras: Cameras, height: float, batch: int,
    branches: tuple[Panel, ...] = ("2d", "3d"), resolution: int | None = None,
) -> list[Float[Tensor, "3 v w"]]:  # fmt: skip
    """Row at `height` (share from the top) of each branch, a line per camera, first on top."""
    side = resolution or G.config.image_resolution
    row = int(height * side)
    limits = (G.scene.near, G.scene.far)
    slices: dict[Panel, list[Tensor]] = {branch: [] for branch in branches}
    for drawn in draw(one_object(G, ws, cameras, batch), limits, branches, resolution):
        for branch, images in drawn.items():
            slices[branch].append(epipolar_slice(images, row))
    return [torch.cat(parts, dim=1) for parts in slices.values()]


def stack_epipolar(images: Sequence[Float[Tensor, "3 v w"]]) -> Image.Image:
    """The epipolar images of the branches above each other, a white line between; enlarged."""
    line = torch.ones_like(images[0][:, :1])
    parts = [part for image in images for part in (line, image)][1:]
    picture = image_grid(torch.cat(parts, dim=1)[None], columns=1)
    return enlarge(picture, math.ceil(SMALLEST_EPI / picture.width))
