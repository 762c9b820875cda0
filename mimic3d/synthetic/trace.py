"""Ray tracing of a subject's surface: safe starts for bundles of rays, then secant steps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from mimic3d.synthetic.arrays import (
    Index,
    Mask,
    Scalars,
    Vectors,
    dot,
    full_like,
    maximum,
    minimum,
    nonzero,
    sqrt,
    take_columns,
    where,
)
from mimic3d.synthetic.points import GroupParameters, ParameterTable, Points

Distance = Callable[[Points], Scalars]

CONE_STEPS = 5
MAX_STEPS = 14
STEP_SHARE = 0.95  # of the distance; the distances of smooth unions are not quite exact
LEAP = 2.5  # steps at most this many times longer than the distance
THIN = 0.006  # and by this much, head units, or they would lead through the thinnest parts
PATIENCE = 4  # steps after which both grow, since slow rays graze a surface and must get past it


@dataclass(frozen=True)
class SubjectRays:
    """Rays of unit length from the cameras of their owners, in head units and head axes."""

    directions: Vectors
    table: ParameterTable
    owners: Index | None

    def __len__(self) -> int:
        return self.directions.shape[1]

    def take(self, index: Index) -> "SubjectRays":
        """Some of the rays."""
        owners = None if self.owners is None else self.owners[index]
        return SubjectRays(take_columns(self.directions, index), self.table, owners)

    @cached_property
    def camera(self) -> GroupParameters:
        """The numbers of the camera."""
        return self.of("camera")

    def of(self, group: str) -> GroupParameters:
        """The numbers of a group."""
        return self.table.of(group, self.owners)

    def at(self, t: Scalars) -> Points:
        """Points at a distance along each ray."""
        return Points(self.camera.origin + t * self.directions, self.table, self.owners)


def bounding_interval(rays: SubjectRays) -> tuple[Scalars, Scalars]:
    """Distances where each ray enters and leaves its subject's hull; reversed if it misses."""
    x, origin = rays.directions[0], rays.camera.origin
    start, end = full_like(x, float("inf")), full_like(x, -float("inf"))
    for body in rays.of("hull"):
        offset, d = (origin - body.center) * body.inverse, rays.directions * body.inverse
        a, b, c = (dot(d, d), dot(d, offset), dot(offset, offset) - 1)
        under_root = b * b - a * c
        hit, root = under_root > 0, sqrt(maximum(under_root, 0))
        start = where(hit, minimum(start, (-b - root) / a), start)
        end = where(hit, maximum(end, (-b + root) / a), end)
    return start, end


def march_cones(distance: Distance, rays: SubjectRays) -> tuple[Scalars, Scalars]:
    """Safe starts for the bundles of rays around each given one, and where they end.

    The cone around a ray has radius slope x distance; up to the start it is empty. A cone that
    meets nothing starts after it ends.
    """
    start, end = bounding_interval(rays)
    margin = 3.5 * rays.camera.slope  # the hull may be missed by the axis and hit by the cone
    missed = start >= end
    start = where(missed, full_like(start, float("inf")), start * (1 - margin))
    end = end * (1 + margin)
    active = nonzero(~missed)
    for _ in range(CONE_STEPS):
        if not len(active):
            break
        t, active_rays = start[active], rays.take(active)
        slope = active_rays.camera.slope
        room = STEP_SHARE * distance(active_rays.at(t)) - slope * t
        t = t + maximum(room, 0)
        gone = t > end[active]
        start[active] = where(gone, full_like(t, float("inf")), t)
        active = active[(room > 0.5 * slope * t) & ~gone]
    return start, end


def trace(
    distance: Distance, rays: SubjectRays, start: Scalars, end: Scalars
) -> tuple[Scalars, Mask]:
    """Distance along each ray to the surface, and True if there is one before `end`."""
    t, hit = start * 1, start < start
    active = nonzero(start < end)
    if not len(active):
        return t, hit
    along = t[active]
    before, gap_before = along - 1, full_like(along, -float("inf"))  # as if nothing were near
    rays, end = rays.take(active), end[active]
    for step in range(MAX_STEPS):
        gap, tolerance = distance(rays.at(along)), rays.camera.tolerance
        haste = max(1.0, step / PATIENCE)
        arrived = abs(gap) < tolerance
        stride = _stride(along - before, gap_before, gap, haste)
        before, gap_before = along, gap
        along = along + stride
        t[active] = along
        hit[active] = arrived
        keep = nonzero(~arrived & (along < end))
        if not len(keep):
            return t, hit
        active, along, end = active[keep], along[keep], end[keep]
        before, gap_before, rays = before[keep], gap_before[keep], rays.take(keep)
    hit[active] = abs(gap_before) < 5 * rays.camera.tolerance  # grazing rays that ran out of steps
    return t, hit


def _stride(last: Scalars, gap_before: Scalars, gap: Scalars, haste: float) -> Scalars:
    """Secant step to the zero of the last two gaps, hardly beyond the length known to be free.

    Behind the surface (gap < 0) this leads back.
    """
    fall = (gap_before - gap) / last  # per unit of length
    leap = gap / maximum(fall, 1 / (LEAP * haste))
    return maximum(minimum(leap, gap + THIN * haste**2), STEP_SHARE * gap)
