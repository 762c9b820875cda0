"""Panels side by side of the same objects by both branches, with depth and normals."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.gallery.colors import color_depth, color_normals, depth_limits
from mimic3d.gallery.normals import depth_normals
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import Objects, synthesize_objects

Panel = Literal["2d", "3d", "depth", "normals"]
"""A way to show an object; depth and normals are those of the 3D branch."""

PANELS: tuple[Panel, ...] = ("2d", "3d", "depth", "normals")
PREVIEW = 8  # objects and cameras at most that decide the range of depth colours
PREVIEW_SIDE = 32  # pixels

Batches = Iterator[tuple[Objects, Cameras]]
"""Objects and the cameras that see them: one for each, or several for a single one."""


@dataclass(frozen=True)
class BranchPanels:
    """Panels of the same objects from the same cameras, drawn in several ways, in [-1, 1]."""

    panels: dict[Panel, Float[Tensor, "n 3 h w"]]

    def side_by_side(self) -> Float[Tensor, "n 3 h wide"]:
        """All panels of an object in one image."""
        return torch.cat(list(self.panels.values()), dim=3)

    def stacked(self) -> Float[Tensor, "n 3 high w"]:
        """All panels of an object one below the other."""
        return torch.cat(list(self.panels.values()), dim=2)


def compare_branches(
    G: Generator, ws: Float[Tensor, "n l w_dim"], cameras: Cameras, batch: int,
    panels: tuple[Panel, ...] = PANELS, resolution: int | None = None,
) -> BranchPanels:  # fmt: skip
    """Panels of one object per camera, on the CPU; `resolution` None is the generator's own.

    The 2D branch has one resolution only: its image is resized to another.
    """
    limits = preview_depth(G, ws, cameras, panels)
    return _collect(draw(many_objects(G, ws, cameras, batch), limits, panels, resolution))


def compare_orbit(
    G: Generator, ws: Float[Tensor, "1 l w_dim"], cameras: Cameras, batch: int,
    panels: tuple[Panel, ...] = PANELS, resolution: int | None = None,
) -> BranchPanels:  # fmt: skip
    """Panels of one object from many cameras, on the CPU; else as `compare_branches`."""
    limits = preview_depth(G, ws, cameras, panels)
    return _collect(draw(one_object(G, ws, cameras, batch), limits, panels, resolution))


def many_objects(
    G: Generator, ws: Float[Tensor, "n l w_dim"], cameras: Cameras, batch: int
) -> Batches:
    """Batches of objects, one per camera."""
    for start in range(0, len(cameras), batch):
        part = slice(start, start + batch)
        yield synthesize_objects(G, ws[part]), cameras[part]


def one_object(
    G: Generator, ws: Float[Tensor, "1 l w_dim"], cameras: Cameras, batch: int
) -> Batches:
    """Batches of cameras around one object."""
    single = synthesize_objects(G, ws)
    for start in range(0, len(cameras), batch):
        yield single, cameras[start : start + batch]


def preview_depth(
    G: Generator, ws: Float[Tensor, "k l w_dim"], cameras: Cameras, panels: tuple[Panel, ...]
) -> tuple[float, float]:
    """Range of what is visible, from a few small pictures, before any large one is rendered."""
    if "depth" not in panels:
        return G.scene.near, G.scene.far
    chosen = torch.linspace(0, len(cameras) - 1, min(PREVIEW, len(cameras))).round().long()
    styles = ws if len(ws) == 1 else ws[chosen.to(ws.device)]
    few = cameras[chosen.to(cameras.cam2world.device)]
    start = one_object if len(styles) == 1 else many_objects
    views = [
        objects.render(part, "3d", PREVIEW_SIDE)
        for objects, part in start(G, styles, few, batch=PREVIEW)
    ]
    return depth_limits(
        torch.cat([view.depth for view in views]), torch.cat([view.alpha for view in views])
    )


def draw(
    batches: Batches, limits: tuple[float, float], panels: tuple[Panel, ...],
    resolution: int | None,
) -> Iterator[dict[Panel, Float[Tensor, "_ 3 h w"]]]:  # fmt: skip
    """The panels of each batch on the CPU; what no panel shows is not rendered."""
    for objects, cameras in batches:
        drawn: dict[Panel, Tensor] = {}
        if "2d" in panels:
            drawn["2d"] = objects.render(cameras, "2d", resolution).image
        if set(panels) - {"2d"}:
            view = objects.render(cameras, "3d", resolution)
            drawn["3d"] = view.image
            drawn["depth"] = color_depth(view.depth, *limits)
            drawn["normals"] = color_normals(depth_normals(view.depth, cameras), view.alpha)
        yield {panel: drawn[panel].cpu() for panel in panels}


def _collect(parts: Iterator[dict[Panel, Float[Tensor, "_ 3 h w"]]]) -> BranchPanels:
    drawn = list(parts)
    return BranchPanels({name: torch.cat([part[name] for part in drawn]) for name in drawn[0]})
