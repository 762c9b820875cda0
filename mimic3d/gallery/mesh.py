"""The surface of an object as a coloured mesh, where its density passes a threshold."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float32, Int64, UInt8
from pydantic import Field as ConfigField
from pydantic import PositiveFloat
from torch import Tensor

from mimic3d.config import Config
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects

Field = Callable[[Float[Tensor, "m 3"]], tuple[Float[Tensor, " m"], Float[Tensor, "m 3"]]]
"""Function of points in world units to densities (1 / world unit, >= 0) and colours in 0..1."""

SMALLEST_DENSITY = 1e-6  # 1 / world unit: as good as empty


class MeshConfig(Config):
    """Fineness of a mesh and density of its surface."""

    resolution: int = ConfigField(default=128, ge=8)
    """Points along each side of the box at which the density is sampled."""
    density: PositiveFloat = 10.0
    """Density of the surface, 1 / world unit; 10 absorbs 63 % of the light within 0.1 units."""


@dataclass(frozen=True)
class MeshTexture:
    """Image that is laid on a mesh."""

    uvs: Float32[np.ndarray, "v 2"]
    """Place of each vertex in the image, in 0..1 from its upper left corner, as in glTF."""
    image: UInt8[np.ndarray, "h w 3"]
    """Colours, sRGB."""

    def sample(self, uvs: Float32[np.ndarray, "p 2"]) -> Float32[np.ndarray, "p 3"]:
        """Colours in 0..1 at places of the image, between its pixels linearly."""
        image = rearrange(torch.from_numpy(self.image).float() / 255, "h w c -> 1 c h w")
        grid = torch.from_numpy(uvs)[None, None] * 2 - 1
        drawn = torch.nn.functional.grid_sample(
            image, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return drawn[0, :, 0].T.numpy()


@dataclass(frozen=True)
class Mesh:
    """Triangles in world units, counter-clockwise seen from outside, with colours (sRGB)."""

    vertices: Float32[np.ndarray, "v 3"]
    faces: Int64[np.ndarray, "f 3"]
    colors: UInt8[np.ndarray, "v 3"]
    densities: tuple[float, float]
    """Least and greatest density of the samples: thresholds between them find a surface."""
    texture: MeshTexture | None = None
    """Finer colours than those of the vertices."""


def load_marching_cubes() -> ModuleType:
    """Module that finds surfaces, which is an optional dependency.

    Raises:
        ValueError: it, or what writes meshes, is not installed.
    """
    try:
        import skimage.measure
        import trimesh  # noqa: F401  # meshes are of no use unwritten
    except ImportError as error:
        raise ValueError(
            f"meshes need scikit-image and trimesh, which are missing ({error}); "
            f"pip install -e '.[export]', or do without by evaluate.gallery.num_meshes=0"
        ) from error
    return skimage.measure


def generator_field(G: Generator, ws: Float[Tensor, "1 l w_dim"]) -> Field:
    """Density and colour of the object of a style, by all planes there are, in bounded memory."""
    single = synthesize_objects(G, ws)

    def field(points: Float[Tensor, "m 3"]) -> tuple[Float[Tensor, " m"], Float[Tensor, "m 3"]]:
        densities, colors = single.query(points.to(single.device)[None])
        return densities[0, :, 0], colors[0]

    return field


def extract_mesh(field: Field, box_warp: float, cfg: MeshConfig) -> Mesh:
    """The surface within the box around the origin, closed where the box cuts it.

    Marching cubes (Lorensen and Cline 1987) in the logarithm of the density, which rises by orders
    of magnitude from one sample to the next. No triangles where no density reaches the threshold.

    Raises:
        ValueError: an optional dependency is missing.
    """
    measure = load_marching_cubes()
    axis = torch.linspace(-box_warp / 2, box_warp / 2, cfg.resolution)
    volume = np.empty((cfg.resolution,) * 3, dtype=np.float32)
    for index, x in enumerate(axis):  # a slice at a time
        grid = torch.meshgrid(x[None], axis, axis, indexing="ij")
        density, _ = field(torch.stack(grid, dim=-1).reshape(-1, 3))
        volume[index] = rearrange(density.cpu(), "(y z) -> y z", y=cfg.resolution).numpy()
    densities = float(volume.min()), float(volume.max())
    if densities[1] <= cfg.density:
        return Mesh(_empty(np.float32), _empty(np.int64), _empty(np.uint8), densities)

    level = float(np.log(cfg.density))
    closed = np.pad(np.log(volume.clip(SMALLEST_DENSITY)), 1, constant_values=level - 100)
    vertices, faces, _, _ = measure.marching_cubes(closed, level, gradient_direction="ascent")
    limit = box_warp / 2
    places = (vertices - 1) * (box_warp / (cfg.resolution - 1)) - limit
    places = places.clip(-limit, limit).astype(np.float32)
    _, colors = field(torch.from_numpy(places))
    shades = (colors.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return Mesh(places, faces.astype(np.int64), shades, densities)


def _empty(kind: type[np.generic]) -> np.ndarray:
    return np.empty((0, 3), dtype=kind)
