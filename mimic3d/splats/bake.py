"""Views of an object to splats, without training a network.

From camera to camera, what the splats made so far do not show becomes new splats: one per pixel of
a lattice where a pixel sees a surface, three behind each other where it sees a haze, each as large
as the lattice is wide. Then centres, shapes, opacities and colours are fitted to all views (`fit`).
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras, Scene
from mimic3d.config import Config
from mimic3d.gallery.normals import depth_normals
from mimic3d.metrics.views import PosedView
from mimic3d.rays import Rays, cast_rays
from mimic3d.splats.fit import SplatFitConfig, fit_splats
from mimic3d.splats.rasterize import Raster, check_rasterizer, pixels_of
from mimic3d.splats.splats import Splats, join_splats, matrix_quaternions
from mimic3d.surfaces.absorption import Density, quantile_depths
from mimic3d.surfaces.rendered_object import RenderedObject, density_of

QUANTILES = (1 / 6, 1 / 2, 5 / 6)  # of the absorbed light, where the three layers of a haze lie
FACING, ALL = 0.4, 0.0  # least cosine between surface and view, in the first pass and the second
STEEPEST = 0.25  # least cosine that a splat is stretched for
SMALLEST_ALPHA = 0.05  # of pixels that get splats
FAINTEST = 0.02  # least opacity of a splat


class SplatConfig(Config):
    """Fineness of splats."""

    resolution: int = Field(default=256, ge=8)
    """Side in pixels of the views that splats are taken from and fitted to."""
    spacing_px: PositiveInt = 3
    """Pixels of these views from one splat to the next."""
    max_splats: PositiveInt = 100_000
    """Greatest number of splats; those that show least are left out."""
    spread: PositiveFloat = 0.6
    """Standard deviation of a splat in spacings; less leaves gaps, more blurs."""
    thickness: PositiveFloat = 0.2
    """Thickness of a splat on a surface as a fraction of its width."""
    haze_px: PositiveFloat = 3.0
    """Distance between the first and the last layer, in pixels, from which both are kept."""
    largest_opacity: float = Field(default=0.95, gt=0, lt=1)
    """Greatest opacity of a splat before the fit."""
    covered: float = Field(default=0.8, gt=0, lt=1)
    """Fraction of a pixel's alpha that splats must have so that it gets none of its own."""
    tolerance_px: PositiveFloat = 8.0
    """Distance behind the mean depth, in pixels, from which splats count as others behind it."""
    fit: SplatFitConfig = SplatFitConfig()
    """Descent that follows."""


def bake_splats(
    subject: RenderedObject, cameras: Cameras, scene: Scene, cfg: SplatConfig
) -> Splats:
    """Splats of what these cameras see of an object.

    Raises:
        ValueError: they see nothing, or numba is missing.
    """
    check_rasterizer()
    views = [subject.render(cameras[i : i + 1], "3d", cfg.resolution) for i in range(len(cameras))]
    density, parts = density_of(subject), list[Splats]()
    for steepest in (FACING, ALL):
        for view in views:
            new = _SplatView(view, cfg).new_splats(density, parts, steepest, scene)
            if len(new):
                parts.append(new)
    if not parts:
        raise ValueError("the object must absorb light in front of a camera, absorbs none")
    splats = _most_visible(join_splats(parts), views, cfg)
    pixel = scene.radius / (cfg.resolution * scene.focal)
    return fit_splats(splats, views, float(scene.white_back), pixel, cfg.fit)


class _SplatView:
    """A view, and the splats on its lattice of pixels."""

    def __init__(self, view: PosedView, cfg: SplatConfig) -> None:
        self.view, self.camera, self.cfg = view, view.cameras, cfg
        self.side = view.image.shape[-1]
        self.alpha, self.depth = view.alpha.flatten(), view.depth.flatten()
        self.directions = cast_rays(self.camera, self.side).directions[0]
        local = depth_normals(view.depth, self.camera)[0].flatten(1).T
        upright = local * local.new_tensor([1.0, -1.0, -1.0])  # OpenCV axes
        normals = upright @ self.camera.cam2world[0, :3, :3].mT
        cosines = -(normals * self.directions).sum(dim=-1)
        self.normals = torch.where(cosines[:, None] < 0, -normals, normals)
        self.cosines = cosines.abs()
        self.pixel = self.depth / (self.side * self.camera.intrinsics[0, 0, 0])  # width, units
        on_axis = torch.arange(self.side) % cfg.spacing_px == cfg.spacing_px // 2
        self.is_on_lattice = (on_axis[:, None] & on_axis).flatten()

    def new_splats(
        self, density: Density, splats: list[Splats], steepest: float, scene: Scene
    ) -> Splats:
        """Splats for the pixels that those made so far do not show."""
        is_new = self.is_on_lattice & (self.alpha > SMALLEST_ALPHA) & (self.cosines >= steepest)
        if splats:
            is_new &= self._is_missing(join_splats(splats))
        origins = self.camera.centers.expand_as(self.directions[is_new])
        rays = Rays(origins[None], self.directions[is_new][None])
        depths = quantile_depths(density, rays, scene.near, scene.far, QUANTILES)[0]
        return self._layers(depths, is_new)

    def _is_missing(self, splats: Splats) -> Bool[Tensor, " r"]:
        """Pixels that splats leave open, or behind whose surface they lie."""
        distances = (splats.centers - self.camera.centers).norm(dim=-1, keepdim=True)
        raster = Raster(splats, self.camera, self.side)
        image, light = raster.composite(distances.expand(-1, 3).contiguous().numpy())
        share = 1 - torch.from_numpy(light).flatten()
        shown = torch.from_numpy(image)[..., 0].flatten() / share.clamp(min=1e-6)
        is_behind = shown > self.depth + self.cfg.tolerance_px * self.pixel
        return (share < self.cfg.covered * self.alpha) | is_behind

    def _layers(self, depths: Float[Tensor, "k 3"], is_new: Bool[Tensor, " r"]) -> Splats:
        """One splat for each pixel with a surface, three for each with a haze."""
        extent = depths[:, 2] - depths[:, 0]
        is_haze = extent > self.cfg.haze_px * self.pixel[is_new]
        index = is_new.nonzero()[:, 0]
        parts = [self._surface(index[~is_haze], depths[~is_haze, 1])]
        for layer in range(3):
            parts.append(self._haze(index[is_haze], depths[is_haze], layer))
        return join_splats(parts)

    def _surface(self, index: Tensor, depths: Float[Tensor, " k"]) -> Splats:
        """Discs on a surface, stretched so that they look round from here."""
        directions, normals = self.directions[index], self.normals[index]
        cosines = self.cosines[index, None]
        along = -directions - cosines * normals  # the way the surface falls off
        tangent = torch.linalg.cross(normals, along + 1e-6 * _free_axis(normals))
        width = self.cfg.spread * self.cfg.spacing_px * self.pixel[index]
        stretch = 1 / cosines[:, 0].clamp(min=STEEPEST)
        scales = torch.stack([width * stretch, width, width * self.cfg.thickness], dim=-1)
        return self._splats(index, depths, normals, tangent, scales, self.alpha[index])

    def _haze(self, index: Tensor, depths: Float[Tensor, "k 3"], layer: int) -> Splats:
        """One of three layers, each of which absorbs a third of what all absorb."""
        directions = self.directions[index]
        width = self.cfg.spread * self.cfg.spacing_px * self.pixel[index]
        deep = torch.maximum((depths[:, 2] - depths[:, 0]) / 4, self.cfg.thickness * width)
        third = self.alpha[index] / 3
        share = third / (1 - layer * third)
        scales = torch.stack([width, width, deep], dim=-1)
        tangent = torch.linalg.cross(directions, _free_axis(directions))
        return self._splats(index, depths[:, layer], -directions, tangent, scales, share)

    def _splats(
        self, index: Tensor, depths: Float[Tensor, " k"], normals: Float[Tensor, "k 3"],
        tangents: Float[Tensor, "k 3"], scales: Float[Tensor, "k 3"], shares: Float[Tensor, " k"],
    ) -> Splats:  # fmt: skip
        across = F.normalize(tangents, dim=-1)
        axes = torch.stack([torch.linalg.cross(across, normals), across, normals], dim=-1)
        overlap = 2 * np.pi * self.cfg.spread**2  # splats of a lattice over each of its points
        opacities = 1 - (1 - shares.clamp(max=0.999)) ** (1 / overlap)
        is_finite = depths.isfinite()
        return Splats(
            self.camera.centers + depths[:, None] * self.directions[index],
            matrix_quaternions(axes), scales,
            opacities.clamp(FAINTEST, self.cfg.largest_opacity),
            torch.from_numpy(pixels_of(self.view.image)).clamp(0, 1).flatten(0, 1)[index],
        )[is_finite]  # fmt: skip


def _most_visible(splats: Splats, views: list[PosedView], cfg: SplatConfig) -> Splats:
    """The splats with the greatest shares in the pixels of all views, as many as may be."""
    if len(splats) <= cfg.max_splats:
        return splats
    shares = np.zeros(len(splats), np.float32)
    for view in views:
        shares += Raster(splats, view.cameras, cfg.resolution).shares()
    most = torch.from_numpy(shares).topk(cfg.max_splats).indices.sort().values
    return splats[most]


def _free_axis(normals: Float[Tensor, "m 3"]) -> Float[Tensor, "m 3"]:
    """The axis of the world to which each normal is least parallel."""
    return F.one_hot(normals.abs().argmin(dim=-1), 3).to(normals)
