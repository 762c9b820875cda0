"""Where rays meet a head: sphere tracing from safe starts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from mimic3d.data.synthetic.head import bounds, distance
from mimic3d.data.synthetic.identity import Identity
from mimic3d.data.synthetic.primitives import Axis, Triple

MAX_STEPS = 24
CONE_STEPS = 10
PATIENCE = 8  # steps after which the tolerance grows: slow rays graze the surface
STEP_SHARE = 0.95  # of the distance; the distances of smooth unions are not quite exact
CHUNK = 32768  # rays traced at a time


@dataclass(frozen=True)
class Bundle:
    """Rays from one point, in head units and head axes; directions have unit length."""

    origin: Triple
    x: Axis
    y: Axis
    z: Axis

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: np.ndarray | slice) -> "Bundle":
        """Some of the rays."""
        return Bundle(self.origin, self.x[index], self.y[index], self.z[index])

    def at(self, t: Axis) -> tuple[Axis, Axis, Axis]:
        """Points at a distance along each ray."""
        ox, oy, oz = self.origin
        return ox + t * self.x, oy + t * self.y, oz + t * self.z


def bounding_interval(identity: Identity, rays: Bundle) -> tuple[Axis, Axis]:
    """Where each ray enters and leaves the hull of the head; in reverse order if it misses."""
    start = np.full(len(rays), np.inf, dtype=np.float32)
    end = np.full(len(rays), -np.inf, dtype=np.float32)
    for center, radii in bounds(identity):
        offset = [(o - c) / r for o, c, r in zip(rays.origin, center, radii, strict=True)]
        dx, dy, dz = rays.x * (1 / radii[0]), rays.y * (1 / radii[1]), rays.z * (1 / radii[2])
        a = dx * dx + dy * dy + dz * dz
        b = dx * offset[0] + dy * offset[1] + dz * offset[2]
        under_root = b * b - a * (sum(o * o for o in offset) - 1)
        hit = under_root > 0
        root = np.sqrt(np.where(hit, under_root, 0))
        start = np.where(hit, np.minimum(start, (-b - root) / a), start)
        end = np.where(hit, np.maximum(end, (-b + root) / a), end)
    return start, end


def march_cones(identity: Identity, rays: Bundle, slope: float) -> tuple[Axis, Axis]:
    """Safe starts for thin bundles of rays around each given one, and where they end.

    The cone around a ray has radius slope x distance; up to the start it is empty. A cone that
    meets nothing starts after it ends.
    """
    start, end = bounding_interval(identity, rays)
    margin = slope * 3.5  # the hull may be missed by the axis and hit by the cone
    missed = start >= end
    start = np.where(missed, np.float32(np.inf), start * (1 - margin))
    active = np.flatnonzero(~missed)
    for _ in range(CONE_STEPS):
        if not len(active):
            break
        t = start[active]
        room = STEP_SHARE * distance(identity, *rays.take(active).at(t)) - slope * t
        t = t + np.maximum(room, 0)
        gone = t > end[active] * (1 + margin)
        start[active] = np.where(gone, np.float32(np.inf), t)
        active = active[(room > 0.5 * slope * t) & ~gone]
    return start, end * (1 + margin)


def trace(
    identity: Identity, rays: Bundle, start: Axis, end: Axis, tolerance: float
) -> tuple[Axis, Bool[np.ndarray, " m"]]:
    """Distance along each ray to the surface, and whether there is one before `end`."""
    t = start.copy()
    hit = np.zeros(len(rays), dtype=bool)
    live = np.flatnonzero(start < end)
    for first in range(0, len(live), CHUNK):
        _trace_chunk(identity, rays, live[first : first + CHUNK], t, end, hit, tolerance)
    return t, hit


def _trace_chunk(
    identity: Identity,
    rays: Bundle,
    active: np.ndarray,
    t: Float32[np.ndarray, " m"],
    end: Axis,
    hit: Bool[np.ndarray, " m"],
    tolerance: float,
) -> None:
    """Advances `t` and sets `hit` of the active rays in place."""
    gap = np.empty(0, dtype=np.float32)
    for step in range(MAX_STEPS):
        along = t[active]
        gap = distance(identity, *rays.take(active).at(along))
        arrived = gap < tolerance * max(1, step / PATIENCE)
        hit[active[arrived]] = True
        along = along + STEP_SHARE * gap  # the last step refines the depth
        t[active] = along
        going = ~arrived & (along < end[active])
        active, gap = active[going], gap[going]
        if not len(active):
            return
    hit[active[gap < 5 * tolerance]] = True  # grazing rays that ran out of steps
