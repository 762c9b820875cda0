"""Pictures of splats: the definition of 3D Gaussian Splatting, on a CPU and without tricks.

Each splat is projected to an ellipse, ellipses are blended front to back by the depth of their
centres. Viewers do the same; so this is how a file will look in them.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.metrics.views import unit_range
from mimic3d.splats.splats import Splats

LOW_PASS = 0.3  # px^2, added to every ellipse so that none falls between pixels (Kerbl et al.)
NEAREST = 0.05  # world units in front of the camera; splats before that are left out
TANGENT_MARGIN = 1.3  # of the view, within which the projection is taken to be linear (ibid.)
LEAST_LIGHT = 1e-4  # pixels are done when less is left (ibid.)
_COLUMNS = np.arange(16, dtype=np.float32)  # of a tile


def check_rasterizer() -> None:
    """Refuses where no machine code can be made.

    Raises:
        ValueError: numba is missing.
    """
    if find_spec("numba") is None:
        raise ValueError("splats need numba, which is missing; pip install -e '.[fast]'")


@dataclass(frozen=True)
class SplatGradients:
    """Gradients of a number by what is seen of each splat."""

    by_ellipse: Float32[ndarray, "m 5"]
    """By place x y and inverse covariance xx xy yy; xy stands for both of its entries."""
    by_opacity: Float32[ndarray, " m"]
    by_value: Float32[ndarray, "m 3"]
    shares: Float32[ndarray, " m"]
    """Sum of each splat's shares in the pixels."""


class Raster:
    """Splats in the tiles of one view, front to back."""

    def __init__(self, splats: Splats, camera: Cameras, resolution: int) -> None:
        """The tiles of a square view of `resolution` pixels.

        Raises:
            ValueError: numba is missing.
        """
        check_rasterizer()
        from mimic3d.splats import numba_tiles as tiles

        self.side, self.opacities = resolution, splats.opacities.numpy()
        self.ellipses = project_splats(splats, camera, resolution)
        self.reaches = np.empty((len(splats), 2), np.float32)
        tiles.fill_reaches(self.ellipses, self.opacities, self.reaches)
        across = -(-resolution // tiles.TILE)
        self._starts = np.zeros(across**2 + 2, np.int64)
        grid = self.ellipses, self.reaches, across, across, self._starts
        num = tiles.count_entries(*grid)
        self._members = np.empty(num, np.int32)
        order = np.argsort(self.ellipses[:, 5], kind="stable")
        tiles.list_entries(order, *grid, self._members)
        self._ends = np.empty(across**2, np.int64)

    def composite(
        self, values: Float32[ndarray, "m 3"], least_light: float = LEAST_LIGHT
    ) -> tuple[Float32[ndarray, "h w 3"], Float32[ndarray, "h w"]]:
        """Values of splats blended in each pixel, and the light that passes all of them.

        A tile is done when less than `least_light` is left in all of its pixels.
        """
        from mimic3d.splats import numba_blend as kernels

        image = np.empty((self.side, self.side, 3), np.float32)
        light = np.empty((self.side, self.side), np.float32)
        block = np.empty(kernels.BLEND_FLOATS, np.float32)
        kernels.blend(
            kernels.TILE, block.ctypes.data, _COLUMNS.ctypes.data, self._starts, self._members,
            self.ellipses, self.reaches, self.opacities, values, np.float32(least_light),
            self._ends, image, light,
        )  # fmt: skip
        return image, light

    def differentiate(
        self, values: Float32[ndarray, "m 3"], light: Float32[ndarray, "h w"], background: float,
        gradient: Float32[ndarray, "h w 3"],
    ) -> SplatGradients:  # fmt: skip
        """Gradients of a number whose gradient by the image, on its background, is given.

        `light` is what `composite` returned, which must have been called last.
        """
        from mimic3d.splats import numba_blend as kernels

        records = np.empty((len(self._members), kernels.RECORD), np.float32)
        block = np.empty(kernels.SLOPE_FLOATS, np.float32)
        sums = np.empty(kernels.SUM_FLOATS, np.float32)
        kernels.differentiate(
            kernels.TILE, block.ctypes.data, sums.ctypes.data, _COLUMNS.ctypes.data, self._starts,
            self._ends, self._members, self.ellipses, self.reaches, self.opacities, values, light,
            np.float32(background), gradient, records,
        )  # fmt: skip
        totals = np.zeros((len(values), kernels.RECORD), np.float32)
        kernels.gather(self._starts, self._ends, self._members, records, totals)
        return SplatGradients(totals[:, :5], totals[:, 5], totals[:, 6:9], totals[:, 9])

    def shares(self) -> Float32[ndarray, " m"]:
        """Sum of each splat's shares in the pixels."""
        nothing = np.zeros((len(self.opacities), 3), np.float32)
        _, light = self.composite(nothing)
        return self.differentiate(
            nothing, light, 0.0, np.zeros((*light.shape, 3), np.float32)
        ).shares


@dataclass(frozen=True)
class PixelCamera:
    """A camera as the kernels take it: arrays, and lengths in pixels."""

    position: Float32[ndarray, " 3"]
    rotation: Float32[ndarray, "3 3"]
    matrix: Float32[ndarray, "3 3"]
    tangent_limits: Float32[ndarray, " 2"]


def pixel_camera(camera: Cameras, resolution: int) -> PixelCamera:
    """A camera whose images have a side of `resolution` pixels."""
    intrinsics = camera.intrinsics[0].numpy()
    return PixelCamera(
        camera.centers[0].numpy().copy(),
        np.ascontiguousarray(camera.cam2world[0, :3, :3].numpy()),
        intrinsics * np.float32(resolution),
        (TANGENT_MARGIN * 0.5 / np.diagonal(intrinsics)[:2]).astype(np.float32),
    )


def project_splats(splats: Splats, camera: Cameras, resolution: int) -> Float32[ndarray, "m 6"]:
    """Ellipses of splats in one view.

    Centre x y (pixel centres are whole numbers), inverse covariance xx xy yy (1 / px^2), z-depth.
    J W C W^T J^T with the Jacobian J of the projection at the centre (Zwicker et al. 2001, EWA
    splatting), and the low-pass of 3D Gaussian Splatting.

    Raises:
        ValueError: numba is missing.
    """
    check_rasterizer()
    from mimic3d.splats.numba_project import project

    ellipses = np.zeros((len(splats), 6), np.float32)
    to = pixel_camera(camera, resolution)
    project(
        splats.centers.numpy(), splats.rotations.numpy(), splats.scales.numpy(), to.position,
        to.rotation, to.matrix, to.tangent_limits, np.float32(LOW_PASS), np.float32(NEAREST),
        ellipses,
    )  # fmt: skip
    return ellipses


def unproject_gradients(
    splats: Splats, camera: Cameras, raster: Raster, slopes: SplatGradients,
    gradients: Float32[ndarray, "m 13"],
) -> None:  # fmt: skip
    """Adds the gradients by centre, logarithms of scales, turn, logit of opacity and colour.

    The turn is about the splat's own axes, rad.
    """
    from mimic3d.splats.numba_project import unproject

    to = pixel_camera(camera, raster.side)
    unproject(
        splats.centers.numpy(), splats.rotations.numpy(), splats.scales.numpy(), to.position,
        to.rotation, to.matrix, to.tangent_limits, np.float32(NEAREST), raster.ellipses,
        slopes.by_ellipse, gradients,
    )  # fmt: skip
    gradients[:, 9] += slopes.by_opacity * raster.opacities * (1 - raster.opacities)
    gradients[:, 10:] += slopes.by_value


def render_splats(
    splats: Splats, camera: Cameras, resolution: int, background: float
) -> Float32[Tensor, "1 3 h w"]:
    """Image of one camera in [-1, 1], before a grey `background` in 0..1."""
    image, light = Raster(splats, camera, resolution).composite(splats.colors.numpy())
    shown = torch.from_numpy(image + background * light[..., None])
    return rearrange(shown, "h w c -> 1 c h w").clamp(0, 1) * 2 - 1


def pixels_of(image: Float32[Tensor, "1 3 h w"]) -> Float32[ndarray, "h w 3"]:
    """Colours in 0..1 of an image in [-1, 1]."""
    return rearrange(unit_range(image), "1 c h w -> h w c").contiguous().cpu().numpy()
