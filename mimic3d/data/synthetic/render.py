"""Photographs a head: image, depth and alpha.

A head stands in a room open to the front: five walls of one unlit colour inside the tri-planes'
box. Every ray of the cameras in use ends on the head or on a wall, so tri-planes can hold the
scene exactly, which no backdrop at infinity allows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mimic3d.data.synthetic.head import distance, materials
from mimic3d.data.synthetic.identity import HEAD_SCALE, Identity
from mimic3d.data.synthetic.paint import Colors, albedo
from mimic3d.data.synthetic.primitives import Axis, length
from mimic3d.data.synthetic.trace import Bundle, march_cones, trace

ROOM = ((-0.49, -0.49, -0.38), (0.49, 0.49, 0.49))  # corners, world units; the front is open

BLOCK = 4  # pixels; rays of a block share a start
MAX_GAP = 0.002  # head units between a ray's end and the surface; less than 0.3 pixels
CONTRAST = 0.07  # neighbouring pixels that differ by more are sampled again
SUBPIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
OCCLUSION = ((0.022, 1.1), (0.075, 0.6))  # reach (head units) and weight

Background = Literal["room", "constant"]


@dataclass(frozen=True)
class View:
    """One image with its ground truth."""

    image: UInt8[np.ndarray, "h w 3"]
    depth: Float32[np.ndarray, "h w"]
    """Along the ray at the pixel centre, world units; infinite where nothing is hit."""
    alpha: UInt8[np.ndarray, "h w"]


@dataclass(frozen=True)
class Photographer:
    """Renders one head from one camera (OpenCV, normalised intrinsics)."""

    identity: Identity
    cam2world: Float32[np.ndarray, "4 4"]
    intrinsics: Float32[np.ndarray, "3 3"]
    resolution: int
    background: Background

    def shoot(self) -> View:
        """The view, anti-aliased where neighbouring pixels differ."""
        size = self.resolution
        steps = np.arange(size, dtype=np.float32)
        row, column = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
        starts, ends = self._block_starts()
        block = (row.astype(int) // BLOCK) * -(-size // BLOCK) + column.astype(int) // BLOCK
        colors, depth, solid = self._sample(row, column, starts[block], ends[block])
        again = np.flatnonzero(_differs(colors.reshape(size, size, 3)))
        alpha = solid.astype(np.float32)
        if len(again):
            dx = np.repeat([x for x, _ in SUBPIXELS], len(again)).astype(np.float32)
            dy = np.repeat([y for _, y in SUBPIXELS], len(again)).astype(np.float32)
            picked = np.tile(again, len(SUBPIXELS))
            where = row[picked] + dy, column[picked] + dx
            fine, _, hit = self._sample(*where, starts[block[picked]], ends[block[picked]])
            colors[again] = fine.reshape(len(SUBPIXELS), -1, 3).mean(axis=0)
            alpha[again] = hit.reshape(len(SUBPIXELS), -1).mean(axis=0)
        return View(
            (np.clip(colors, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(size, size, 3),
            depth.reshape(size, size),
            (alpha * 255 + 0.5).astype(np.uint8).reshape(size, size),
        )

    def _cast(self, row: Axis, column: Axis) -> Bundle:
        """Rays through positions in pixels, as in `mimic3d.rays`, in the axes of the head."""
        k, pose = self.intrinsics.astype(np.float64), self.cam2world.astype(np.float64)
        v = (row.astype(np.float64) + 0.5) / self.resolution
        u = (column.astype(np.float64) + 0.5) / self.resolution
        y = (v - k[1, 2]) / k[1, 1]
        x = (u - k[0, 2] - k[0, 1] * y) / k[0, 0]
        world = [pose[axis, 0] * x + pose[axis, 1] * y + pose[axis, 2] for axis in range(3)]
        scale = 1 / np.sqrt(world[0] ** 2 + world[1] ** 2 + world[2] ** 2)
        side = self.identity.side
        dx, dy, dz = ((scale * axis).astype(np.float32) for axis in world)
        ox, oy, oz = (pose[:3, 3] / HEAD_SCALE).tolist()
        return Bundle((ox * side, oy, oz), dx * np.float32(side), dy, dz)

    def _pixel(self) -> float:
        """Size of a pixel at the head, head units."""
        away = float(np.linalg.norm(self.cam2world[:3, 3])) / HEAD_SCALE
        return away / float(self.intrinsics[0, 0]) / self.resolution

    def _block_starts(self) -> tuple[Axis, Axis]:
        num = -(-self.resolution // BLOCK)
        middle = np.arange(num, dtype=np.float32) * BLOCK + (BLOCK - 1) / 2
        row, column = (axis.ravel() for axis in np.meshgrid(middle, middle, indexing="ij"))
        reach = 0.75 * BLOCK / self.resolution  # half the diagonal of a block and a bit
        slope = reach / float(min(self.intrinsics[0, 0], self.intrinsics[1, 1]))
        return march_cones(self.identity, self._cast(row, column), slope)

    def _sample(
        self, row: Axis, column: Axis, start: Axis, end: Axis
    ) -> tuple[Colors, Axis, Bool[np.ndarray, " m"]]:
        """Colour, depth and whether anything is hit, at positions in pixels."""
        rays, pixel = self._cast(row, column), self._pixel()
        t, hit = trace(self.identity, rays, start, end, min(0.3 * pixel, MAX_GAP))
        wall = _wall(rays)
        hit &= t < wall  # shoulders end where the box ends
        colors = np.tile(np.asarray(self.identity.paint.background, np.float32), (len(t), 1))
        index = np.flatnonzero(hit)
        if len(index):
            colors[index] = shade(self.identity, *rays.take(index).at(t[index]), pixel)
        if self.background == "constant":
            wall[:] = np.inf
        depth = np.where(hit, t, wall) * np.float32(HEAD_SCALE)
        return colors, depth, hit | np.isfinite(wall)


def _wall(rays: Bundle) -> Axis:
    """Distance to the walls of the room, from inside, head units."""
    exits = []
    for origin, d, low, high in zip(rays.origin, (rays.x, rays.y, rays.z), *ROOM, strict=True):
        with np.errstate(divide="ignore"):  # a ray parallel to a wall never meets it
            ends = (low / HEAD_SCALE - origin) / d, (high / HEAD_SCALE - origin) / d
        exits.append(np.maximum(*ends))
    return np.minimum(np.minimum(exits[0], exits[1]), exits[2])


def _differs(image: Float32[np.ndarray, "h w 3"]) -> Bool[np.ndarray, " m"]:
    """Pixels with a neighbour of another colour."""
    across = np.abs(np.diff(image, axis=1)).max(axis=2) > CONTRAST
    down = np.abs(np.diff(image, axis=0)).max(axis=2) > CONTRAST
    found = np.zeros(image.shape[:2], dtype=bool)
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found.ravel()


def shade(identity: Identity, x: Axis, y: Axis, z: Axis, pixel: float) -> Colors:
    """Colours of surface points in the light: sky, one lamp, occlusion; no highlights."""
    p, step = identity.paint, max(0.0008, 0.35 * pixel)
    here = distance(identity, x, y, z)
    nx = distance(identity, x + step, y, z) - here
    ny = distance(identity, x, y + step, z) - here
    nz = distance(identity, x, y, z + step) - here
    scale = 1 / (length(nx, ny, nz) + 1e-9)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    blocked = np.zeros_like(x)
    for reach, weight in OCCLUSION:
        free = distance(identity, x + nx * reach, y + ny * reach, z + nz * reach)
        blocked += (weight / reach) * np.maximum(reach - free, 0)
    open_sky = np.clip(1 - 0.55 * blocked, 0.15, 1)
    lamp = np.clip((nx * p.light[0] + ny * p.light[1] + nz * p.light[2]) * 0.8 + 0.2, 0, 1)
    sky = p.ambient * (0.62 + 0.38 * ny) * open_sky
    light = sky + 0.70 * lamp * (0.45 + 0.55 * open_sky)
    tint = np.asarray([1 + p.warmth, 1, 1 - p.warmth], dtype=np.float32)
    colors = albedo(identity, materials(identity, x, y, z), x, y, z, pixel)
    return colors * light[:, None] * tint
