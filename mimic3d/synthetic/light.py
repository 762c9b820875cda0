"""Light on the surface of a subject: sky, one lamp, occlusion, and highlights where asked for."""

from collections.abc import Sequence

from mimic3d.synthetic.albedo import Albedo, Texture
from mimic3d.synthetic.arrays import (
    Scalars,
    Vectors,
    concatenate,
    dot,
    full_like,
    maximum,
    minimum,
    norm,
    sqrt,
    where,
)
from mimic3d.synthetic.identity import Identity, columns
from mimic3d.synthetic.kind import SubjectKind
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import vector
from mimic3d.synthetic.trace import SubjectRays

OCCLUSION = ((0.022, 1.1), (0.075, 0.6))  # reach (head units) and weight
LAMP = 0.70
CHUNK = 16384  # points; arrays of more do not stay in the cache of a core
GRAZING = 0.15  # cosine; textures seen at a smaller angle fade no further
SHININESS = 40


def tabulate(identities: Sequence[Identity]) -> dict[str, ParameterGroup]:
    """The light that falls on n subjects."""
    light = columns(identities).light
    return {
        "light": {
            "direction": light.direction,
            "ambient": light.ambient,
            "tint": vector(1 + light.warmth, 1, 1 - light.warmth),
            "background": light.background,
        }
    }


def nearest(kind: SubjectKind, points: Points) -> tuple[Scalars, Scalars]:
    """Signed distance to the subject, and the material there."""
    d, material = full_like(points.x, float("inf")), full_like(points.x, 0)
    for number, distance in kind.parts(points).items():
        material = where(distance < d, full_like(material, number), material)
        d = minimum(d, distance)
    return d, material


def distance(kind: SubjectKind, points: Points) -> Scalars:
    """Signed distance to the subject."""
    if points.owners is None and len(points) > CHUNK:
        middle = len(points) // 2
        halves = points.take(slice(None, middle)), points.take(slice(middle, None))
        return concatenate([distance(kind, half) for half in halves])
    parts = list(kind.parts(points).values())
    d = parts[0]
    for part in parts[1:]:
        d = minimum(d, part)
    return d


def shade(
    kind: SubjectKind, rays: SubjectRays, t: Scalars, specular: float
) -> tuple[Vectors, Vectors]:
    """Colours where rays end, in the light; the second without texture."""
    points = rays.at(t)
    here, material = nearest(kind, points)
    normals = _normals(kind, points, here)
    open_sky = _open_sky(kind, points, normals)
    light, facing = points.of("light"), -dot(normals, rays.directions)
    lamp = (dot(normals, light.direction) * 0.8 + 0.2).clip(0, 1)
    sky = light.ambient * (0.62 + 0.38 * normals[1]) * open_sky
    received = (sky + LAMP * lamp * (0.45 + 0.55 * open_sky)) * light.tint
    footprint = rays.camera.pixel / sqrt(facing.clip(GRAZING, 1))
    surface = albedo_at(kind, points, material, footprint)
    color, plain = surface.color * received, surface.plain * received
    if specular:
        half = light.direction - rays.directions
        shine = specular * (dot(normals, half) / norm(half)).clip(0, 1) ** SHININESS * open_sky
        color = color + shine
    return color, plain


def albedo_at(kind: SubjectKind, points: Points, material: Scalars, footprint: Scalars) -> Albedo:
    """Albedo of points, each by that of its material."""
    color, plain = points.xyz * 0, points.xyz * 0
    for number, albedo_of in kind.albedos.items():
        index, members = points.where(material == number)
        if len(members):
            surface = albedo_of(members, Texture(footprint[index]))
            color[:, index], plain[:, index] = surface.color, surface.plain
    return Albedo(color, plain)


def _normals(kind: SubjectKind, points: Points, here: Scalars) -> Vectors:
    """Unit vectors out of the surface."""
    step = points.of("camera").normal_step
    moved = [points.xyz * 1 for _ in range(3)]
    for axis, xyz in enumerate(moved):
        xyz[axis] = xyz[axis] + step
    ahead = distance(kind, points.several(moved)).reshape(3, -1) - here
    return ahead / (norm(ahead) + 1e-9)


def _open_sky(kind: SubjectKind, points: Points, normals: Vectors) -> Scalars:
    """Share of open sky: 1 in the open, less in creases."""
    probes = [points.xyz + reach * normals for reach, _ in OCCLUSION]
    blocked = full_like(points.x, 0)
    free = distance(kind, points.several(probes)).reshape(len(OCCLUSION), -1)
    for (reach, weight), gap in zip(OCCLUSION, free, strict=True):
        blocked = blocked + (weight / reach) * maximum(reach - gap, 0)
    return (1 - 0.55 * blocked).clip(0.15, 1)
