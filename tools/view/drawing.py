"""Pictures of settings and a camera, in pieces between which a drawing can be given up."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import (
    Cameras,
    Scene,
    cameras_from_labels,
    focal_from_fov,
    orbit_cameras,
    pinhole,
)
from mimic3d.gallery.colors import color_depth, color_normals
from mimic3d.gallery.normals import depth_normals
from mimic3d.metrics.views import Branch
from mimic3d.networks.objects import Objects
from mimic3d.rays import Windows
from tools.view.settings import ViewSettings
from tools.view.subject import Subject, Timings

TILE = 128  # pixels; a drawing can be given up between two tiles
EPI_VIEWS = 64
EPI_STRIP = 8  # pixels; windows are square
EPI_YAW_RAD = 0.4
GREYS = {"black": -1.0, "grey": 0.0, "white": 1.0}


class DrawingInterruptedError(Exception):
    """Interruption of a drawing: something has moved since it was begun."""


def view_camera(settings: ViewSettings, scene: Scene, device: torch.device) -> Cameras:
    """The camera of yaw, pitch, distance and field of view about the scene's pivot."""
    yaw, pitch = torch.tensor([settings.yaw_rad]), torch.tensor([settings.pitch_rad])
    camera = orbit_cameras(yaw, pitch, scene)
    pivot = torch.tensor(scene.pivot)
    cam2world = camera.cam2world.clone()
    cam2world[:, :3, 3] = pivot + settings.distance * (cam2world[:, :3, 3] - pivot)
    intrinsics = camera.intrinsics
    if settings.fov_deg:
        intrinsics = pinhole(focal_from_fov(math.radians(settings.fov_deg)))
    return Cameras(cam2world, intrinsics).to(device)


def average_camera(label: Float[Tensor, "1 25"]) -> Cameras:
    """The dataset's mean label as a camera; its rotation is the nearest one."""
    camera = cameras_from_labels(label)
    u, _, v = torch.linalg.svd(camera.cam2world[:, :3, :3])
    cam2world = camera.cam2world.clone()
    cam2world[:, :3, :3] = u @ v
    return Cameras(cam2world, camera.intrinsics)


@dataclass(frozen=True)
class Picture:
    """Pixels of one or two squares side by side, and how long they took."""

    pixels: UInt8[np.ndarray, "h w 3"]
    timings: Timings
    num_rays: int


@torch.inference_mode()
def draw(
    subjects: tuple[Subject, ...],
    settings: ViewSettings,
    resolution: int,
    is_stale: Callable[[], bool] = lambda: False,
) -> Picture:
    """The picture of the settings with squares of `resolution` pixels.

    Of two subjects panel `compare` shows the 3D branch of both; all others show the first.

    Raises:
        DrawingInterruptedError: `is_stale` became true between two tiles.
    """
    timings, first = Timings(), subjects[0]
    camera = view_camera(settings, first.scene, first.device)
    drawing = _Drawing(settings, resolution, is_stale, timings)
    begun = time.perf_counter()
    squares = drawing.squares(subjects, camera)
    made = timings.mapping + timings.planes
    timings.render = 1000 * (time.perf_counter() - begun) - made
    image = torch.cat([rearrange(square[0], "c h w -> h w c") for square in squares], dim=1)
    pixels = ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
    return Picture(pixels, timings, drawing.num_rays)


@dataclass
class _Drawing:
    settings: ViewSettings
    resolution: int
    is_stale: Callable[[], bool]
    timings: Timings
    num_rays: int = 0

    def squares(
        self, subjects: tuple[Subject, ...], camera: Cameras
    ) -> list[Float[Tensor, "1 3 h w"]]:
        """Images side by side, as the panel of the settings says."""
        objects = subjects[0].objects(self.settings, camera, self.timings)
        match self.settings.panel:
            case "2d":
                return [self._branch(objects, camera, "2d")]
            case "both":
                return [self._branch(objects, camera, "2d"), self._branch(objects, camera, "3d")]
            case "split":
                left, right = (self._branch(objects, camera, branch) for branch in ("2d", "3d"))
                half = self.resolution // 2
                return [torch.cat([left[..., :half], right[..., half:]], dim=-1)]
            case "difference":
                two, three = (self._branch(objects, camera, branch) for branch in ("2d", "3d"))
                return [(two - three).abs() - 1]
            case "epi":
                return [self._epipolar(subjects[0], objects)]
            case "compare":
                others = [s.objects(self.settings, camera, self.timings) for s in subjects[1:]]
                return [self._branch(each, camera, "3d") for each in (objects, *others)]
        return [self._branch(objects, camera, "3d")]

    def _branch(
        self, objects: Objects, camera: Cameras, branch: Branch
    ) -> Float[Tensor, "1 3 h w"]:
        if branch == "2d":
            self.num_rays += objects.G.config.neural_rendering_resolution**2
            return objects.render(camera, "2d", self.resolution).image
        image, depth, alpha = self._tiles(objects, camera)
        scene = objects.G.scene
        match self.settings.panel:
            case "depth":
                return color_depth(depth, scene.near, scene.far)
            case "alpha":
                return alpha.expand(-1, 3, -1, -1) * 2 - 1
            case "normals":
                return color_normals(depth_normals(depth, camera), alpha)
        if scene.white_back:  # composited by the renderer already
            return image
        return image + (1 - alpha) * (GREYS[self.settings.background] + 1)

    def _tiles(self, objects: Objects, camera: Cameras) -> tuple[Tensor, Tensor, Tensor]:
        """Image, depth and alpha of the 3D branch, tile by tile."""
        side, whole = min(TILE, self.resolution), self.resolution
        strips = []
        for top in range(0, whole, side):
            tiles = [self._tile(objects, camera, top, left, side) for left in range(0, whole, side)]
            strips.append(torch.cat(tiles, dim=-1))
        image = torch.cat(strips, dim=-2)
        return image[:, :3], image[:, 3:4], image[:, 4:]

    def _epipolar(self, subject: Subject, objects: Objects) -> Float[Tensor, "1 3 h w"]:
        """One row of pixels over cameras from side to side: straight lines where views agree."""
        whole, side = self.resolution, min(EPI_STRIP, self.resolution)
        row = min(whole - 1, int(self.settings.epi_row * whole))
        turned = [
            self.settings.model_copy(update={"yaw_rad": yaw})
            for yaw in torch.linspace(-EPI_YAW_RAD, EPI_YAW_RAD, EPI_VIEWS).tolist()
        ]
        views = [view_camera(each, subject.scene, subject.device) for each in turned]
        cameras = Cameras(
            torch.cat([view.cam2world for view in views]),
            torch.cat([view.intrinsics for view in views]),
        )
        tiles = [self._tile(objects, cameras, row, left, side) for left in range(0, whole, side)]
        lines = rearrange(torch.cat(tiles, dim=-1)[:, :3, :1], "v c 1 w -> 1 c v w")
        return F.interpolate(lines, (whole, whole), mode="bilinear", align_corners=False)

    def _tile(
        self, objects: Objects, cameras: Cameras, top: int, left: int, side: int
    ) -> Float[Tensor, "n 5 h2 w2"]:
        """Image, depth and alpha of the square at this corner, as much of it as is inside."""
        if self.is_stale():
            raise DrawingInterruptedError
        self.num_rays += len(cameras) * side**2
        inside = (min(at, self.resolution - side) for at in (top, left))
        rows, columns = (torch.full((len(cameras),), at, device=objects.device) for at in inside)
        windows = Windows(rows, columns, side)
        view = objects.render_windows(cameras, windows, "3d", self.resolution)
        tile = torch.cat([view.image, view.depth, view.alpha], dim=1)
        over = (max(0, at + side - self.resolution) for at in (top, left))
        return tile[..., next(over) :, next(over) :]
