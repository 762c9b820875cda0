"""Views of subjects with their ground truth: image, depth and alpha.

A subject stands in a room open to the front: five walls of one unlit colour inside the tri-planes'
box. Every ray of the cameras in use ends on the subject or on a wall, so tri-planes can hold the
scene exactly, which no backdrop at infinity allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from mimic3d.synthetic import light
from mimic3d.synthetic.albedo import fill
from mimic3d.synthetic.arrays import (
    Array,
    Index,
    Mask,
    Scalars,
    Vectors,
    concatenate,
    full_like,
    maximum,
    minimum,
    nonzero,
    norm,
    stack,
    to_numpy,
    where,
)
from mimic3d.synthetic.identity import HEAD_SCALE, Identity
from mimic3d.synthetic.kind import SubjectKind
from mimic3d.synthetic.light import shade
from mimic3d.synthetic.points import ParameterGroup, ParameterTable, Points
from mimic3d.synthetic.primitives import vector
from mimic3d.synthetic.trace import SubjectRays, march_cones, trace

BATCH_PIXELS = 2**20  # rendered together; more gain nothing, and need more memory of the GPU
ROOM = ((-0.49, -0.49, -0.38), (0.49, 0.49, 0.49))  # corners, world units; the front is open

BLOCK = 4  # pixels; rays of a block share a start
MAX_GAP = 0.002  # head units between a ray's end and the surface; less than 0.3 pixels
CONTRAST = 0.1  # neighbouring pixels that differ by more are sampled again
PARALLEL = 1e-6  # the least component of a direction, or rays would never meet a wall beside them
SUBPIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))

Background = Literal["room", "constant"]


@dataclass(frozen=True)
class RenderedViews:
    """Images with their ground truth."""

    images: UInt8[np.ndarray, "n h w 3"]
    depth: Float32[np.ndarray, "n h w"]
    """Depth along the ray at the pixel centre, world units; infinite where nothing is hit."""
    alpha: UInt8[np.ndarray, "n h w"]


def tabulate_cameras(
    identities: Sequence[Identity],
    cam2world: Float32[np.ndarray, "n 4 4"],
    intrinsics: Float32[np.ndarray, "n 3 3"],
    resolution: int,
) -> dict[str, ParameterGroup]:
    """Rays through positions in pixels, as in `mimic3d.rays`, in the axes of the heads."""
    k, pose = intrinsics.astype(np.float64), cam2world.astype(np.float64)
    side = np.asarray([identity.side for identity in identities])
    flip = np.stack([side, np.ones_like(side), np.ones_like(side)])
    to_pixels = np.diag([resolution, resolution, 1.0])
    through = pose[:, :3, :3] @ np.linalg.inv(to_pixels @ k)  # (column, row, 1) -> direction
    across, down, corner = (flip * through[:, :, axis].T for axis in range(3))
    origin = flip * pose[:, :3, 3].T / HEAD_SCALE
    pixel = np.linalg.norm(origin, axis=0) / k[:, 0, 0] / resolution
    reach = 0.75 * BLOCK / resolution  # half the diagonal of a block and a bit
    return {
        "camera": {
            "origin": origin,
            "across": across,
            "down": down,
            "corner": corner,
            "pixel": pixel,
            "slope": reach / np.minimum(k[:, 0, 0], k[:, 1, 1]),
            "tolerance": np.minimum(0.3 * pixel, MAX_GAP),
            "normal_step": np.maximum(0.0008, 0.35 * pixel),
        },
        "room": {"low": vector(*ROOM[0]) / HEAD_SCALE, "high": vector(*ROOM[1]) / HEAD_SCALE},
    }


@dataclass(frozen=True)
class SubjectRenderer:
    """Renders subjects of one kind, each by its own camera."""

    kind: SubjectKind
    table: ParameterTable
    num: int
    resolution: int
    background: Background
    specular: float

    @staticmethod
    def build(
        kind: SubjectKind,
        identities: Sequence[Identity],
        cam2world: Float32[np.ndarray, "n 4 4"],
        intrinsics: Float32[np.ndarray, "n 3 3"],
        resolution: int,
        background: Background = "room",
        specular: float = 0.0,
    ) -> "SubjectRenderer":
        """A renderer in NumPy; cameras are OpenCV's, with normalised intrinsics."""
        groups = kind.tabulate(identities) | light.tabulate(identities)
        groups |= tabulate_cameras(identities, cam2world, intrinsics, resolution)
        num = len(identities)
        return SubjectRenderer(
            kind, ParameterTable.build(groups, num), num, resolution, background, specular
        )

    def on(self, device: str) -> "SubjectRenderer":
        """Renderer of these views, in torch on a device."""
        return replace(self, table=self.table.on(device))

    def render(self) -> RenderedViews:
        """The views, anti-aliased where neighbouring pixels differ."""
        row, column, owners = self._grid(1)
        starts, ends = march_cones(self._distance, self._cast(*self._grid(BLOCK)))
        block = self._blocks()
        rays = self._cast(row, column, owners)
        colors, plain, depth, alpha = self._sample(rays, starts[block], ends[block])
        again = nonzero(self._differs(plain, alpha))
        if len(again):
            parts = len(SUBPIXELS)
            picked = concatenate([again] * parts)
            rays = self._cast(
                concatenate([row[again] + dy for _, dy in SUBPIXELS]),
                concatenate([column[again] + dx for dx, _ in SUBPIXELS]),
                None if owners is None else owners[picked],
            )
            fine, _, _, solid = self._sample(rays, starts[block[picked]], ends[block[picked]])
            colors[:, again] = fine.reshape(3, parts, -1).mean(1)
            alpha[again] = solid.reshape(parts, -1).mean(0)
        if self.background == "room":
            alpha = full_like(alpha, 1)
        shape = self.num, self.resolution, self.resolution
        return RenderedViews(
            np.moveaxis(_bytes(colors).reshape(3, *shape), 0, -1),
            to_numpy(depth).reshape(shape),
            _bytes(alpha).reshape(shape),
        )

    def _distance(self, points: Points) -> Scalars:
        return light.distance(self.kind, points)

    def _grid(self, step: int) -> tuple[Scalars, Scalars, Index | None]:
        """Rows and columns of the middles of all squares of `step` pixels, and whose they are."""
        num = -(-self.resolution // step)
        middles = (np.arange(num, dtype=np.float32) + 0.5) * step
        grid = np.meshgrid(middles, middles, indexing="ij")
        row, column = (self.table.place(np.tile(axis.ravel(), self.num)) for axis in grid)
        if self.num == 1:
            return row, column, None
        return row, column, self.table.place(np.arange(self.num).repeat(num * num))

    def _blocks(self) -> Index:
        """The block of each pixel."""
        num = -(-self.resolution // BLOCK)
        along = np.arange(self.resolution) // BLOCK
        blocks = (along[:, None] * num + along).ravel()
        return self.table.place((np.arange(self.num)[:, None] * num * num + blocks).ravel())

    def _cast(self, row: Scalars, column: Scalars, owners: Index | None) -> SubjectRays:
        """Rays through positions in pixels."""
        camera = self.table.of("camera", owners)
        directions = column * camera.across + row * camera.down + camera.corner
        return SubjectRays(directions / norm(directions), self.table, owners)

    def _sample(
        self, rays: SubjectRays, start: Scalars, end: Scalars
    ) -> tuple[Vectors, Vectors, Scalars, Scalars]:
        """Colours, the same without texture, depth in world units, and 1 where the subject is."""
        t, hit = trace(self._distance, rays, start, end)
        wall = _wall(rays)
        hit = hit & (t < wall)  # shoulders end where the box ends
        colors = fill(wall, rays.of("light").background)
        plain = colors * 1
        index = nonzero(hit)
        if len(index):
            shaded = shade(self.kind, rays.take(index), t[index], self.specular)
            colors[:, index], plain[:, index] = shaded
        if self.background == "constant":
            wall = full_like(wall, float("inf"))
        return colors, plain, where(hit, t, wall) * HEAD_SCALE, where(hit, full_like(t, 1), 0)

    def _differs(self, plain: Vectors, solid: Scalars) -> Mask:
        """Pixels with a neighbour of another colour, or at the outline."""
        side = self.resolution
        image = stack([*plain, solid]).reshape(4, self.num, side, side)
        differs = image[0] > 2  # none yet
        across = (abs(image[..., 1:] - image[..., :-1]) > CONTRAST).any(0)
        down = (abs(image[:, :, 1:] - image[:, :, :-1]) > CONTRAST).any(0)
        differs[..., 1:] |= across
        differs[..., :-1] |= across
        differs[:, 1:] |= down
        differs[:, :-1] |= down
        return differs.reshape(-1)


def _bytes(a: Array) -> UInt8[np.ndarray, "..."]:
    """Bytes 0..255 of values 0..1."""
    return (to_numpy(a.clip(0, 1)) * 255 + 0.5).astype(np.uint8)


def _wall(rays: SubjectRays) -> Scalars:
    """Distance to the walls of the room, from inside, head units."""
    room, d = rays.of("room"), rays.directions
    d = where(abs(d) < PARALLEL, full_like(d, PARALLEL), d)
    origin = rays.camera.origin
    exits = maximum((room.low - origin) / d, (room.high - origin) / d)
    return minimum(minimum(exits[0], exits[1]), exits[2])
