"""Pictures of meshes without shading: how they look where colours are shown as they are."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32, Int64
from numpy import ndarray
from torch import Tensor

from mimic3d.cameras import Cameras, project
from mimic3d.gallery.mesh import Mesh
from mimic3d.rendering.fused.render import why_not_here

NEAREST = 0.05  # world units in front of the camera; triangles before that are left out
SUPERSAMPLING = 2  # points per pixel along an axis


def check_triangles() -> None:
    """Refuses where no machine code can be made.

    Raises:
        ValueError: numba is missing.
    """
    if why_not_here(torch.device("cpu")):
        raise ValueError("textures need numba, which is missing; pip install -e '.[mesh]'")


@dataclass(frozen=True)
class Coverage:
    """The nearest triangle in each pixel, -1 if there is none, and the weights of its corners."""

    numbers: Int64[ndarray, "h w"]
    weights: Float32[ndarray, "h w 3"]

    def blend(
        self, faces: Int64[ndarray, "f 3"], values: Float32[ndarray, "v k"]
    ) -> Float32[ndarray, "p k"]:
        """Values of corners blended in each covered pixel, row by row."""
        is_covered = self.numbers >= 0
        corners = values[faces[self.numbers[is_covered]]]  # p 3 k
        return np.einsum("pck,pc->pk", corners, self.weights[is_covered])


def cover_pixels(
    corners: Float32[ndarray, "v 3"], faces: Int64[ndarray, "f 3"], height: int, width: int
) -> Coverage:
    """Triangles in the pixels of an image; corners are x y (pixels) and z-depth.

    Raises:
        ValueError: numba is missing.
    """
    check_triangles()
    from mimic3d.surfaces.numba_triangles import cover

    numbers = np.full((height, width), -1, np.int64)
    weights = np.zeros((height, width, 3), np.float32)
    depths = np.full((height, width), np.inf, np.float32)
    cover(np.ascontiguousarray(corners), faces, NEAREST, depths, numbers, weights)
    return Coverage(numbers, weights)


def render_mesh(
    mesh: Mesh, camera: Cameras, resolution: int, background: float
) -> Float32[Tensor, "1 3 h w"]:
    """Image of one camera in [-1, 1], by the texture if there is one, else by vertex colours."""
    side = resolution * SUPERSAMPLING
    places, depth = project(torch.from_numpy(mesh.vertices)[None], camera)
    corners = torch.cat([places[0] * side - 0.5, depth[0, :, None]], dim=1).numpy()
    covered = cover_pixels(corners, mesh.faces, side, side)
    image = np.full((side, side, 3), background, np.float32)
    if mesh.texture is None:
        shown = covered.blend(mesh.faces, mesh.colors.astype(np.float32) / 255)
    else:
        shown = mesh.texture.sample(covered.blend(mesh.faces, mesh.texture.uvs))
    image[covered.numbers >= 0] = shown
    mean = image.reshape(resolution, SUPERSAMPLING, resolution, SUPERSAMPLING, 3).mean((1, 3))
    return rearrange(torch.from_numpy(mean), "h w c -> 1 c h w") * 2 - 1


def mesh_psnr(
    mesh: Mesh, truths: list[Float32[Tensor, "1 3 h w"]], cameras: Cameras
) -> list[float]:
    """PSNR (dB) in the pixels that a mesh covers, against an image in [-1, 1] per camera."""
    values = []
    for i, truth in enumerate(truths):
        shown = render_mesh(mesh, cameras[i : i + 1], truth.shape[-1], math.nan)
        errors = ((shown - truth.cpu()) / 2).square()
        error = errors[errors.isfinite()].mean()
        values.append(float(-10 * error.clamp(min=1e-10).log10()))
    return values
