"""Frames of videos, one after the other: no more than a batch of them is in memory."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.gallery.panels import (
    PANELS,
    Batches,
    Panel,
    draw,
    many_objects,
    one_object,
    preview_depth,
)
from mimic3d.networks.generator import Generator

Frames = Iterator[Float[Tensor, "3 h w"]]
"""Images in [-1, 1] on the CPU."""


def orbit_frames(
    G: Generator,
    ws: Float[Tensor, "1 l w_dim"],
    cameras: Cameras,
    batch: int,
    panels: tuple[Panel, ...] = PANELS,
    resolution: int | None = None,
) -> Frames:
    """One object from one camera after the other, panels side by side."""
    limits = preview_depth(G, ws, cameras, panels)
    return _frames(one_object(G, ws, cameras, batch), limits, panels, resolution)


def morph_frames(
    G: Generator,
    ws: Float[Tensor, "n l w_dim"],
    cameras: Cameras,
    batch: int,
    panels: tuple[Panel, ...] = PANELS,
    resolution: int | None = None,
) -> Frames:
    """One object after the other, each from its own camera, panels side by side."""
    limits = preview_depth(G, ws, cameras, panels)
    return _frames(many_objects(G, ws, cameras, batch), limits, panels, resolution)


def _frames(
    batches: Batches,
    limits: tuple[float, float],
    panels: tuple[Panel, ...],
    resolution: int | None,
) -> Frames:
    for drawn in draw(batches, limits, panels, resolution):
        yield from torch.cat(list(drawn.values()), dim=3)
