"""The surface that many views of an object agree on, as a mesh.

Depth maps at which half of the light is absorbed are averaged as signed distances on a grid
(Curless and Levoy 1996): no density needs to be chosen, haze and hidden sides make no surface.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from numpy import ndarray
from pydantic import Field, PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras, Scene, project
from mimic3d.config import Config
from mimic3d.gallery.mesh import Mesh, load_marching_cubes
from mimic3d.metrics.views import unit_range
from mimic3d.rays import cast_rays
from mimic3d.surfaces.absorption import median_depth
from mimic3d.surfaces.rendered_object import RenderedObject, density_of

EMPTY = 1e6  # depth of pixels that absorb less than half of the light

ColorAt = Callable[[Float[Tensor, "m 3"]], Float[Tensor, "m 3"]]
"""Function of points of a surface to their colours in 0..1."""


class FusionConfig(Config):
    """Fineness of a fused surface."""

    resolution: int = Field(default=128, ge=8)
    """Points of the grid along each side of the box."""
    view_resolution: int = Field(default=192, ge=8)
    """Side of the depth maps, pixels."""
    truncation: PositiveFloat = 3.0
    """Largest distance that is averaged, grid steps; depths that jump by more are edges."""


@dataclass(frozen=True)
class DepthView:
    """A depth map with its image."""

    camera: Cameras
    maps: Float[Tensor, "1 5 h w"]
    """Depth along rays, its range over a pixel and its neighbours, colours in 0..1."""
    far: float
    """Distance up to which the depth is known."""

    def sample(
        self, points: Float[Tensor, "m 3"], jump: float
    ) -> tuple[Float[Tensor, " m"], Float[Tensor, "m 3"], Bool[Tensor, " m"]]:
        """Signed distances in front of the surface, colours, and whether a point is in view.

        Points whose pixel lies at an edge, where the depth jumps by more than `jump`, are not.
        """
        places, ahead = project(points[None], self.camera)
        grid = (places * 2 - 1)[None]
        inside = (places[0] > 0).all(-1) & (places[0] < 1).all(-1) & (ahead[0] > 0)
        values = F.grid_sample(
            self.maps, grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0, :, 0].T
        distance = (points - self.camera.centers).norm(dim=-1)
        is_clear = inside & (values[:, 1] < jump) & (distance < self.far)
        return values[:, 0] - distance, values[:, 2:], is_clear


def fuse_views(subject: RenderedObject, cameras: Cameras, scene: Scene, cfg: FusionConfig) -> Mesh:
    """The surface within the box that these cameras see; open where none looks.

    Colours are the means of the pixels that show a vertex.

    Raises:
        ValueError: an optional dependency is missing.
    """
    measure = load_marching_cubes()
    views = [depth_view(subject, cameras[i : i + 1], scene, cfg) for i in range(len(cameras))]
    axis = torch.linspace(-scene.box_warp / 2, scene.box_warp / 2, cfg.resolution)
    step = float(axis[1] - axis[0])
    reach = cfg.truncation * step
    volume = np.empty((cfg.resolution,) * 3, dtype=np.float32)
    is_seen = np.empty(volume.shape, dtype=bool)
    for index, x in enumerate(axis):  # a slice at a time
        points = torch.stack(torch.meshgrid(x[None], axis, axis, indexing="ij"), -1).reshape(-1, 3)
        distances, num = _mean_distance(views, points, reach)
        volume[index] = rearrange(distances, "(y z) -> y z", y=cfg.resolution).numpy()
        is_seen[index] = rearrange(num > 0, "(y z) -> y z", y=cfg.resolution).numpy()
    if not (is_seen & (volume < 0)).any() or not (is_seen & (volume > 0)).any():
        return _empty_mesh()
    places, faces, _, _ = measure.marching_cubes(
        volume, 0.0, mask=_whole_cubes(is_seen), gradient_direction="descent"
    )
    vertices = torch.from_numpy((places * step - scene.box_warp / 2).astype(np.float32))
    colors = surface_colors(views, vertices, reach)
    shades = (colors.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return Mesh(vertices.numpy(), faces.astype(np.int64), shades, (0.0, 0.0))


def surface_colors(
    views: list[DepthView], points: Float[Tensor, "m 3"], reach: float
) -> Float[Tensor, "m 3"]:
    """Mean colours of the pixels that show these points of the surface; grey where none does.

    From cameras held back a mesh in these colours comes closer to the object than in those of the
    field at its points, by more than 10 dB, or of the views that face them (`cos^8`), by up to 1.
    """
    total, num = torch.zeros(len(points), 3), torch.zeros(len(points), 1)
    for view in views:
        distance, colors, is_clear = view.sample(points, reach)
        shown = (is_clear & (distance.abs() < reach))[:, None].float()
        total, num = total + shown * colors, num + shown
    return torch.where(num > 0, total / num.clamp(min=1), 0.5)


def view_colors(
    subject: RenderedObject, cameras: Cameras, scene: Scene, cfg: FusionConfig
) -> ColorAt:
    """Colours of points of the surface in the views that show them (`surface_colors`)."""
    views = [depth_view(subject, cameras[i : i + 1], scene, cfg) for i in range(len(cameras))]
    reach = cfg.truncation * scene.box_warp / (cfg.resolution - 1)

    def colors(points: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3"]:
        return surface_colors(views, points, reach)

    return colors


def depth_view(
    subject: RenderedObject, camera: Cameras, scene: Scene, cfg: FusionConfig
) -> DepthView:
    """The depth map of one camera."""
    side = cfg.view_resolution
    rays = cast_rays(camera, side)
    depth = median_depth(density_of(subject), rays, scene.near, scene.far)
    depth = rearrange(depth, "1 (h w) -> 1 1 h w", h=side).nan_to_num(posinf=EMPTY)
    image = unit_range(subject.render(camera, "3d", side).image).clamp(0, 1)
    return DepthView(camera, torch.cat([depth, _local_range(depth), image], dim=1), scene.far)


def _mean_distance(
    views: list[DepthView], points: Float[Tensor, "m 3"], reach: float
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Mean signed distance in front of the surface, and the number of views that tell it."""
    total, num = torch.zeros(len(points)), torch.zeros(len(points))
    for view in views:
        distance, _, is_clear = view.sample(points, reach)
        told = (is_clear & (distance > -reach)).float()
        total, num = total + told * distance.clamp(max=reach), num + told
    return torch.where(num > 0, total / num.clamp(min=1), reach), num


def _whole_cubes(is_seen: Bool[ndarray, "x y z"]) -> Bool[ndarray, "x y z"]:
    """Cubes of the grid, named by their last corner as scikit-image does, with all corners seen."""
    whole = is_seen.copy()
    for axis in range(3):
        whole &= np.roll(whole, 1, axis)
        np.moveaxis(whole, axis, 0)[0] = False
    return whole


def _local_range(depth: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
    """Largest less smallest depth within a pixel's neighbours; large at edges."""
    return F.max_pool2d(depth, 3, 1, 1) + F.max_pool2d(-depth, 3, 1, 1)


def _empty_mesh() -> Mesh:
    return Mesh(
        np.empty((0, 3), np.float32), np.empty((0, 3), np.int64), np.empty((0, 3), np.uint8),
        (0.0, 0.0),
    )  # fmt: skip
