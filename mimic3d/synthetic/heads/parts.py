"""A whole head: the signed distance of each of its materials, and its hull."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import SimpleNamespace

import numpy as np

from mimic3d.synthetic import eyes
from mimic3d.synthetic.arrays import Axis, any_of, either
from mimic3d.synthetic.heads import hair, paint, skin, wear
from mimic3d.synthetic.heads.identity import Head, sample_head
from mimic3d.synthetic.heads.landmarks import anchors
from mimic3d.synthetic.identity import columns, flags
from mimic3d.synthetic.kind import Kind
from mimic3d.synthetic.points import FAR, Group, Points
from mimic3d.synthetic.primitives import Ellipsoid, vector


class Material(IntEnum):
    """What a point of the surface is made of."""

    SKIN = 0
    EYE = 1
    HAIR = 2
    CLOTH = 3
    GLASSES = 4
    EARRING = 5


EYE_REGION_Z = 0.10  # eyes and glasses' rims are evaluated near them only
NEAR = 0.06  # margin of these regions


def tabulate(heads: Sequence[Head]) -> dict[str, Group]:
    """All numbers that the formulas of n heads need."""
    c = columns(heads)
    s, p, w = c.shape, c.paint, c.wear
    bodies = skin.tabulate(s) | eyes.tabulate(s) | hair.tabulate(s, w) | wear.tabulate(s, w)
    return bodies | paint.tabulate(s, p, w) | {"hull": hull(s, w)}


def hull(s: SimpleNamespace, w: SimpleNamespace) -> dict[str, Ellipsoid]:
    """Ellipsoids that together contain a head."""
    size = 0.015 + w.volume * np.asarray([hair.SIZES[style.chosen] for style in w.style])
    wide, knotted = flags(w.style, "long", "bob"), flags(w.style, "bun")
    return {
        "head": Ellipsoid.of(
            vector(0, 0.04, 0),
            vector(0.245 * s.width * w.volume, 0.34 * np.maximum(1, s.length), 0.285),
        ),
        "hair": Ellipsoid.of(
            vector(*hair.CENTER), vector(0.23 * s.width * size, 0.26 * size, 0.262 * size)
        ),
        "chin": Ellipsoid.of(vector(0, -0.18, 0.1), vector(0.17, 0.16, 0.15)),
        "below": Ellipsoid.of(
            vector(0, -0.36 + 0.3 * wide, -0.07),
            vector(0.20 + 0.10 * wide * s.width, 0.30 + 0.14 * wide, 0.21 + 0.06 * wide),
        ),
        "knot": Ellipsoid.of(vector(0, 0.34, -0.13), vector(*[0.01 + 0.09 * knotted] * 3)),
        "shoulders": Ellipsoid.of(vector(0, -0.575, -0.055), vector(0.48, 0.26, 0.22)),
    }


def parts(points: Points) -> Mapping[int, Axis]:
    """Signed distances to the materials in head units; bounds far away from them."""
    y, z = points.y, points.z
    off_eyes = abs(y - points.of("eyes").ball.center[1])
    found: dict[int, Axis] = {
        Material.SKIN: skin.skin(points),
        Material.EYE: points.near((z > EYE_REGION_Z) & (off_eyes < NEAR), eyes.eyeballs),
        Material.CLOTH: points.near(y < -0.15, wear.clothes),
    }
    some = points.of("hair").some
    if any_of(some):
        found[Material.HAIR] = either(some, hair.hair(points), FAR)
    some = points.of("glasses").some
    if any_of(some):
        mask = (z > -NEAR) & (off_eyes < 2 * NEAR) & (some > 0)
        found[Material.GLASSES] = points.near(mask, wear.glasses)
    some = points.of("earring").some
    if any_of(some):
        found[Material.EARRING] = either(some, wear.earring(points), FAR)
    return found


HEADS = Kind(
    sample=sample_head,
    tabulate=tabulate,
    parts=parts,
    painters={
        Material.SKIN: paint.paint_skin,
        Material.EYE: paint.paint_eyes,
        Material.HAIR: paint.paint_hair,
        Material.CLOTH: paint.paint_clothes,
        Material.GLASSES: paint.paint_glasses,
        Material.EARRING: paint.paint_earring,
    },
    anchors=anchors,
    bare=(Material.SKIN, Material.EYE),
)
