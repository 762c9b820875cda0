"""The object of a mesh without what is behind it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy import ndarray

from mimic3d.cameras import Point
from mimic3d.gallery.mesh import Mesh

LAYER = 0.05  # of the box: depths that belong to one layer
LEAST_WALL = 0.25  # of the area that faces the front: a layer of less is no wall
SPREADS = (0.06, 0.05, 0.04, 0.03, 0.03, 0.03)  # of the box, of the weights as the fit proceeds
MARGIN_STEPS = 2.0  # of the grid, that are cut off in front of a wall's roughness
MOST = 0.95  # of the area of a wall whose roughness is cut off
CRUMB = 0.01  # of the largest part: smaller parts may hover anywhere


def cut_background(mesh: Mesh, pivot: Point, box_warp: float, step: float) -> Mesh:
    """The part of a mesh around the pivot, cut off the wall behind it if there is one.

    A wall is the layer of depth, behind the pivot and seen from the front (+z), with the most
    area; a paraboloid is fitted to it, so it may be tilted and bent. `step` is that of the grid.
    """
    if len(mesh.faces) == 0:
        return mesh
    wall = _fit_wall(mesh, pivot, box_warp)
    if wall is None:
        return keep_around(mesh, pivot)
    coefficients, roughness = wall
    heights = mesh.vertices[:, 2] - _paraboloid(mesh.vertices) @ coefficients
    is_object = heights > roughness + MARGIN_STEPS * step
    if not is_object[mesh.faces].all(axis=1).any():
        return keep_around(mesh, pivot)
    return keep_around(_keep_vertices(mesh, is_object), pivot)


def keep_around(mesh: Mesh, point: Point) -> Mesh:
    """The connected part of a mesh that comes closest to a point."""
    if len(mesh.faces) == 0:
        return mesh
    labels = _component_of_vertices(mesh.faces, len(mesh.vertices))
    distances = np.linalg.norm(mesh.vertices - np.asarray(point, np.float32), axis=1)
    sizes = np.bincount(labels)
    is_large = sizes[labels] >= CRUMB * sizes.max()
    chosen = labels[np.where(is_large, distances, np.inf).argmin()]
    return _keep_vertices(mesh, labels == chosen)


def _fit_wall(
    mesh: Mesh, pivot: Point, box_warp: float
) -> tuple[Float[ndarray, " 6"], float] | None:
    """Coefficients of a paraboloid z(x, y), and by how much most of the wall is above it."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)  # f 3 3
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    areas = normals[:, 2].clip(0)  # as the front sees them
    centers = corners.mean(axis=1)
    bins = np.arange(-box_warp / 2, box_warp / 2 + LAYER * box_warp, LAYER * box_warp / 2)
    histogram, edges = np.histogram(centers[:, 2], bins, weights=areas)
    layers = histogram[:-1] + histogram[1:]  # of the full thickness
    layers[edges[2:] > pivot[2]] = 0
    layer = int(layers.argmax())
    start = edges[layer + 1]
    is_near = np.abs(centers[:, 2] - start) < LAYER * box_warp
    if areas[is_near].sum() < LEAST_WALL * areas.sum():
        return None
    terms = _paraboloid(centers)
    coefficients = np.array([start, 0, 0, 0, 0, 0])
    for spread in SPREADS:
        rest = centers[:, 2] - terms @ coefficients
        weights = np.sqrt(areas * np.exp(-((rest / (spread * box_warp)) ** 2) / 2))
        coefficients = np.linalg.lstsq(terms * weights[:, None], centers[:, 2] * weights, None)[0]
    rest = centers[:, 2] - terms @ coefficients
    is_wall = np.abs(rest) < LAYER * box_warp
    return coefficients, _weighted_quantile(np.abs(rest[is_wall]), areas[is_wall], MOST)


def _paraboloid(points: Float[ndarray, "m 3"]) -> Float[ndarray, "m 6"]:
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _weighted_quantile(
    values: Float[ndarray, " m"], weights: Float[ndarray, " m"], fraction: float
) -> float:
    order = values.argsort()
    passed = weights[order].cumsum()
    return float(values[order][np.searchsorted(passed, fraction * passed[-1])])


def _keep_vertices(mesh: Mesh, is_kept: Bool[ndarray, " v"]) -> Mesh:
    """The faces all of whose vertices are kept."""
    faces = mesh.faces[is_kept[mesh.faces].all(axis=1)]
    used, numbers = np.unique(faces, return_inverse=True)
    return replace(
        mesh, vertices=mesh.vertices[used], faces=numbers.reshape(faces.shape).astype(np.int64),
        colors=mesh.colors[used],
    )  # fmt: skip


def _component_of_vertices(faces: Int64[ndarray, "f 3"], num: int) -> ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_array((np.ones(len(edges), bool), edges.T), shape=(num, num))
    return connected_components(graph, directed=False)[1]
