"""Textures of meshes: charts by xatlas, and the colour of the views at each of their pixels."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray

from mimic3d.gallery.mesh import Mesh, MeshTexture
from mimic3d.surfaces.fusion import ColorAt
from mimic3d.surfaces.mesh_views import check_triangles, cover_pixels

PADDING = 2  # pixels between charts, so that linear sampling does not mix them


def check_texture() -> None:
    """Refuses where no textures can be made.

    Raises:
        ValueError: an optional dependency is missing.
    """
    if find_spec("xatlas") is None:
        raise ValueError("textures need xatlas, which is missing; pip install -e '.[mesh]'")
    check_triangles()


def texture_mesh(mesh: Mesh, colors: ColorAt, side: int) -> Mesh:
    """The mesh with a texture of `side` pixels; vertices at the rims of charts are doubled.

    Raises:
        ValueError: an optional dependency is missing.
    """
    check_texture()
    import xatlas

    atlas, options = xatlas.Atlas(), xatlas.PackOptions()
    atlas.add_mesh(mesh.vertices, mesh.faces.astype(np.uint32))
    options.resolution, options.padding, options.bilinear = side, PADDING, True
    charts = xatlas.ChartOptions()
    charts.max_iterations = 1
    atlas.generate(charts, options)
    origin, faces, uvs = atlas[0]
    whole = replace(
        mesh, vertices=mesh.vertices[origin], faces=faces.astype(np.int64),
        colors=mesh.colors[origin], texture=None,
    )  # fmt: skip
    return replace(whole, texture=MeshTexture(uvs, _bake(whole, uvs, colors, side)))


def _bake(
    mesh: Mesh, uvs: Float32[ndarray, "v 2"], colors: ColorAt, side: int
) -> UInt8[ndarray, "h w 3"]:
    """The image whose pixels have the colours of the points that lie on them."""
    from scipy.ndimage import distance_transform_edt

    flat = np.concatenate([uvs * side - 0.5, np.ones_like(uvs[:, :1])], axis=1)
    covered = cover_pixels(flat, mesh.faces, side, side)
    points = torch.from_numpy(covered.blend(mesh.faces, mesh.vertices))
    image = np.zeros((side, side, 3), np.uint8)
    shades = colors(points).clamp(0, 1) * 255
    image[covered.numbers >= 0] = shades.round().to(torch.uint8).numpy()
    nearest = distance_transform_edt(
        covered.numbers < 0, return_distances=False, return_indices=True
    )
    rows, columns = np.asarray(nearest)
    return image[rows, columns]  # what no triangle covers has the colour beside it
