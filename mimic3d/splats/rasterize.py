"""Pictures of splats: the definition of 3D Gaussian Splatting, on a CPU and without tricks.

Each splat is projected to an ellipse, ellipses are blended front to back by the depth of their
centres. Viewers do the same; so this is how a file will look in them.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32, Int32
from numpy import ndarray
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.metrics.views import unit_range
from mimic3d.splats.splats import Splats

LOW_PASS = 0.3  # px^2, added to every ellipse so that none falls between pixels (Kerbl et al.)
NEAREST = 0.05  # world units in front of the camera; splats before that are left out
TANGENT_MARGIN = 1.3  # of the view, within which the projection is taken to be linear (ibid.)
LEAST_LIGHT = 1e-4  # a pixel is done when less is left (ibid.)


def check_rasterizer() -> None:
    """Refuses where no machine code can be made.

    Raises:
        ValueError: numba is missing.
    """
    if find_spec("numba") is None:
        raise ValueError("splats need numba, which is missing; pip install -e '.[fast]'")


@dataclass(frozen=True)
class SplatGradients:
    """Gradients by opacities and colours, and the sum of each splat's shares in pixels."""

    by_opacity: Float32[ndarray, " m"]
    by_color: Float32[ndarray, "m 3"]
    shares: Float32[ndarray, " m"]


@dataclass(frozen=True)
class Footprints:
    """Splats in the pixels of one view: where they fall does not depend on their colours."""

    pixels: Int32[ndarray, " e"]
    members: Int32[ndarray, " e"]
    falloffs: Float32[ndarray, " e"]
    num_pixels: int

    def composite(
        self, opacities: Float32[ndarray, " m"], values: Float32[ndarray, "m k"]
    ) -> tuple[Float32[ndarray, "p k"], Float32[ndarray, " p"]]:
        """Values of splats blended in each pixel, and the light that passes all of them."""
        from mimic3d.splats.numba_blend import composite

        image = np.zeros((self.num_pixels, values.shape[1]), np.float32)
        light = np.ones(self.num_pixels, np.float32)
        composite(self.pixels, self.members, self.falloffs, opacities, values, light, image)
        return image, light

    def differentiate(
        self, opacities: Float32[ndarray, " m"], colors: Float32[ndarray, "m 3"],
        light: Float32[ndarray, " p"], background: float, gradient: Float32[ndarray, "p 3"],
    ) -> SplatGradients:  # fmt: skip
        """Gradients of a number whose gradient by the image, on its background, is given.

        `light` is what `composite` returned.
        """
        from mimic3d.splats.numba_blend import differentiate

        behind = np.full((self.num_pixels, 3), background, np.float32)
        by_opacity, by_color = np.zeros_like(opacities), np.zeros_like(colors)
        shares = np.zeros_like(opacities)
        differentiate(
            self.pixels, self.members, self.falloffs, opacities, colors, light.copy(), behind,
            gradient, by_opacity, by_color, shares,
        )  # fmt: skip
        return SplatGradients(by_opacity, by_color, shares)

    def shares(self, opacities: Float32[ndarray, " m"]) -> Float32[ndarray, " m"]:
        """Sum of each splat's shares in the pixels."""
        nothing = np.zeros((len(opacities), 3), np.float32)
        _, light = self.composite(opacities, nothing)
        zero = np.zeros((self.num_pixels, 3), np.float32)
        return self.differentiate(opacities, nothing, light, 0.0, zero).shares


def splat_footprints(
    splats: Splats, camera: Cameras, resolution: int, least_light: float = LEAST_LIGHT
) -> Footprints:
    """The pixels of one view that each splat covers, front to back.

    Raises:
        ValueError: numba is missing.
    """
    ellipses = project_splats(splats, camera, resolution)
    from mimic3d.splats.numba_blend import list_entries

    order = np.argsort(ellipses[:, 5], kind="stable")
    opacities = splats.opacities.numpy()
    num = 4 * resolution**2
    while True:  # again with more room if there are more entries
        light = np.ones((resolution, resolution), np.float32)
        pixels, members = np.empty(num, np.int32), np.empty(num, np.int32)
        falloffs = np.empty(num, np.float32)
        used = list_entries(
            order, ellipses, opacities, least_light, light, pixels, members, falloffs
        )
        if used <= num:
            return Footprints(
                pixels[:used].copy(), members[:used].copy(), falloffs[:used].copy(), resolution**2
            )
        num = used


def project_splats(splats: Splats, camera: Cameras, resolution: int) -> Float32[ndarray, "m 6"]:
    """Ellipses of splats in one view.

    Centre x y (pixel centres are whole numbers), inverse covariance xx xy yy (1 / px^2), z-depth.
    J W C W^T J^T with the Jacobian J of the projection at the centre (Zwicker et al. 2001, EWA
    splatting), and the low-pass of 3D Gaussian Splatting.

    Raises:
        ValueError: numba is missing.
    """  # fmt: skip
    check_rasterizer()
    from mimic3d.splats.numba_blend import project

    ellipses = np.zeros((len(splats), 6), np.float32)
    matrix = (camera.intrinsics[0] * resolution).numpy()
    limits = TANGENT_MARGIN * 0.5 / np.diagonal(camera.intrinsics[0].numpy())[:2]
    centers = (splats.centers - camera.centers[0]).numpy()
    rotation = np.ascontiguousarray(camera.cam2world[0, :3, :3].numpy())
    covariances = splats.covariances().contiguous().numpy()
    project(
        centers, covariances, rotation, matrix, limits.astype(np.float32), LOW_PASS, NEAREST,
        ellipses,
    )  # fmt: skip
    return ellipses


def render_splats(
    splats: Splats, camera: Cameras, resolution: int, background: float
) -> Float32[Tensor, "1 3 h w"]:
    """Image of one camera in [-1, 1], before a grey `background` in 0..1."""
    footprints = splat_footprints(splats, camera, resolution)
    image, light = footprints.composite(splats.opacities.numpy(), splats.colors.numpy())
    shown = torch.from_numpy(image + background * light[:, None])
    return rearrange(shown, "(h w) c -> 1 c h w", h=resolution).clamp(0, 1) * 2 - 1


def pixels_of(image: Float32[Tensor, "1 3 h w"]) -> Float32[ndarray, "p 3"]:
    """Colours of an image in [-1, 1] as rows in 0..1."""
    return rearrange(unit_range(image), "1 c h w -> (h w) c").cpu().numpy()
