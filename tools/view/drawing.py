"""Pictures of settings, in pieces between which a drawing can be given up."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras
from mimic3d.gallery.colors import color_depth, color_normals
from mimic3d.gallery.normals import depth_normals
from mimic3d.metrics.features import to_uint8
from mimic3d.metrics.views import Branch
from mimic3d.networks.objects import Objects
from mimic3d.rays import Rays, Windows, cast_rays
from tools.view.cameras import orbit_camera, view_camera
from tools.view.settings import ViewSettings
from tools.view.subject import Subject, Timings

TILE = 128  # pixels; a drawing can be given up between two tiles
EPI_YAW_RAD = 0.4  # to either side
FEWEST_EPI, MOST_EPI = 16, 64  # cameras of panel epi
DRIFT_RESOLUTION = 64
GREYS = {"black": 0, "grey": 128, "white": 255}


class DrawingInterruptedError(Exception):
    """Interruption of a drawing: something has moved since it was begun."""


def never() -> bool:
    """False: a drawing that nothing interrupts."""
    return False


@dataclass(frozen=True)
class Picture:
    """Pixels of squares beside and below each other, and how long they took."""

    pixels: UInt8[np.ndarray, "h w 3"]
    side: int
    """Side of a square, pixels."""
    timings: Timings
    num_rays: int
    """Rays of the 3D branch, which part `rays` of the timings is the time of."""


@torch.inference_mode()
def draw(
    subjects: tuple[Subject, ...], settings: ViewSettings, resolution: int,
    is_stale: Callable[[], bool] = never, tile: int = TILE,
) -> Picture:  # fmt: skip
    """The picture of the settings with squares of `resolution` pixels.

    Two subjects are shown side by side, or below each other if the panel has two squares of each.
    The first one's scene gives the camera.

    Raises:
        DrawingInterruptedError: `is_stale` became true between two tiles.
        ValueError: there is no such camera.
    """
    camera = view_camera(settings, subjects[0])
    drawing = _Drawing(settings, resolution, is_stale, min(tile, resolution))
    rows = [torch.cat(drawing.squares(subject, camera), dim=-1) for subject in subjects]
    image = torch.cat(rows, dim=-2 if rows[0].shape[-1] > resolution else -1)
    pixels = rearrange(to_uint8(image)[0], "c h w -> h w c").cpu().numpy()
    return Picture(pixels, resolution, drawing.timings, drawing.num_rays)


def measure_drift(
    subject: Subject, settings: ViewSettings, is_stale: Callable[[], bool] = never
) -> float:
    """Mean absolute change of pixels (0..255) when the conditioning camera follows the view.

    Of the 3D branch, from the camera of the settings, against their own conditioning (the frontal
    camera if they follow the view already), without drawing it at full size. A generator whose
    identity does not depend on the camera has 0.
    """
    own = "front" if settings.conditioning == "view" else settings.conditioning
    pictures = []
    for conditioning in (own, "view"):
        at = settings.model_copy(update={"conditioning": conditioning, "panel": "3d"})
        pixels = draw((subject,), at, DRIFT_RESOLUTION, is_stale).pixels
        pictures.append(pixels.astype(np.float64))
    return float(np.abs(pictures[0] - pictures[1]).mean())


@dataclass
class _Drawing:
    settings: ViewSettings
    resolution: int
    is_stale: Callable[[], bool]
    tile: int
    timings: Timings = field(default_factory=Timings)
    num_rays: int = 0

    def squares(self, subject: Subject, camera: Cameras) -> list[Float[Tensor, "1 3 h w"]]:
        """Images side by side, as the panel of the settings says."""
        objects = subject.objects(self.settings, camera, self.timings)
        panel = self.settings.panel
        if panel == "epi":
            return self._epipolar(objects)
        if panel == "2d":
            return [self._render_2d(objects, camera)]
        if panel not in ("both", "split", "difference"):
            return [self._render_3d(objects, camera)]
        two, three = self._render_2d(objects, camera), self._render_3d(objects, camera)
        if panel == "both":
            return [two, three]
        if panel == "difference":
            return [(two - three).abs() - 1]
        half = self.resolution // 2
        return [torch.cat([two[..., :half], three[..., half:]], dim=-1)]

    def _render_2d(self, objects: Objects, camera: Cameras) -> Float[Tensor, "1 3 h w"]:
        self._check()
        with self.timings.part("2D branch"):
            return objects.render(camera, "2d", self.resolution).image

    def _render_3d(self, objects: Objects, camera: Cameras) -> Float[Tensor, "1 3 h w"]:
        starts = range(0, self.resolution, self.tile)
        strips = [
            torch.cat([self._window(objects, camera, row, column) for column in starts], dim=-1)
            for row in starts
        ]
        image, depth, alpha = torch.cat(strips, dim=-2).split([3, 1, 1], dim=1)
        scene, panel = objects.G.scene, self.settings.panel
        if panel == "depth":
            return color_depth(depth, scene.near, scene.far)
        if panel == "normals":
            return color_normals(depth_normals(depth, camera), alpha)
        if panel == "alpha":
            return alpha.expand(-1, 3, -1, -1) * 2 - 1
        if scene.white_back:  # composited by the renderer already
            return image
        return image + (1 - alpha) * (GREYS[self.settings.background] / 127.5)

    def _epipolar(self, objects: Objects) -> list[Float[Tensor, "1 3 h w"]]:
        """One row of pixels of both branches over cameras from side to side."""
        num = min(max(self.resolution // 4, FEWEST_EPI), MOST_EPI)
        row = min(self.resolution - 1, int(self.settings.epi_row * self.resolution))
        yaws = torch.linspace(-EPI_YAW_RAD, EPI_YAW_RAD, num) + self.settings.yaw_rad
        lines: dict[Branch, list[Tensor]] = {"2d": [], "3d": []}
        for yaw in yaws.tolist():
            at = self.settings.model_copy(update={"yaw_rad": yaw})
            camera = orbit_camera(at, objects.G.scene).to(objects.device)
            lines["2d"].append(self._render_2d(objects, camera)[:, :, row])
            lines["3d"].append(self._row(objects, camera, row))
        side = (self.resolution, self.resolution)
        return [F.interpolate(torch.stack(each, dim=2), side) for each in lines.values()]

    def _row(self, objects: Objects, camera: Cameras, row: int) -> Float[Tensor, "1 3 w"]:
        """Row of pixels of the 3D branch."""
        G, part = objects.G, slice(row * self.resolution, (row + 1) * self.resolution)
        rays = cast_rays(camera, self.resolution)
        rays = Rays(rays.origins[:, part], rays.directions[:, part])
        self.num_rays += self.resolution
        with self.timings.part("rays"):
            pixels = G.backend.render(
                objects.planes, G.decoder, rays, G.scene, G.config.rendering, 3,
                legacy=G.config.legacy,
            )  # fmt: skip
        return rearrange(pixels.features, "n r c -> n c r")

    def _window(
        self, objects: Objects, camera: Cameras, row: int, column: int
    ) -> Float[Tensor, "1 5 h2 w2"]:
        """Image, depth and alpha of the square at this corner, as much of it as is inside."""
        self._check()
        size = self.tile
        self.num_rays += size**2
        inside = [min(at, self.resolution - size) for at in (row, column)]
        top, left = (torch.full((1,), at, device=objects.device) for at in inside)
        windows = Windows(top, left, size)
        with self.timings.part("rays"):
            view = objects.render_windows(camera, windows, "3d", self.resolution)
        square = torch.cat([view.image, view.depth, view.alpha], dim=1)
        return square[..., row - inside[0] :, column - inside[1] :]

    def _check(self) -> None:
        if self.is_stale():
            raise DrawingInterruptedError


def on_canvas(
    pixels: UInt8[np.ndarray, "h w 3"], aspect: float, grey: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture in the middle of a canvas of this width / height, filled with one grey."""
    height, width = pixels.shape[:2]
    rows, columns = max(height, round(width / aspect)), max(width, round(height * aspect))
    canvas = np.full((rows, columns, 3), grey, np.uint8)
    top, left = (rows - height) // 2, (columns - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas
