"""A whole cat: the signed distance of each of its materials, and its hull."""

from collections.abc import Mapping, Sequence
from enum import IntEnum

from mimic3d.synthetic import eyes
from mimic3d.synthetic.arrays import Axis
from mimic3d.synthetic.cats import body, paint
from mimic3d.synthetic.cats.identity import Cat, sample_cat
from mimic3d.synthetic.cats.landmarks import anchors
from mimic3d.synthetic.identity import columns
from mimic3d.synthetic.kind import Kind
from mimic3d.synthetic.points import Group, Points
from mimic3d.synthetic.primitives import Ellipsoid, vector


class Material(IntEnum):
    """What a point of the surface is made of."""

    FUR = 0
    EYE = 1
    NOSE = 2
    BELL = 3


def tabulate(cats: Sequence[Cat]) -> dict[str, Group]:
    """All numbers that the formulas of n cats need."""
    c = columns(cats)
    s = c.shape
    groups = body.tabulate(s, c.bell) | eyes.tabulate(s) | paint.tabulate(s, c.paint)
    hull = {
        "head": Ellipsoid.of(vector(0, 0.06, 0), vector(0.28 * s.width, 0.29, 0.32)),
        "cheeks": Ellipsoid.of(
            vector(0, -0.055, 0.06), vector(0.13 * s.width + 0.14 * s.cheek, 0.13, 0.2)
        ),
        "ears": Ellipsoid.of(vector(0, 0.26, -0.03), vector(0.27, 0.25, 0.12)),
        "body": Ellipsoid.of(vector(0, -0.42, -0.13), vector(0.31 * s.body, 0.42, 0.27)),
    }
    return groups | {"hull": hull}


def parts(points: Points) -> Mapping[int, Axis]:
    """Signed distances to the materials in head units; bounds far away from them."""
    x, y, z = points.xyz
    front = z > 0.1
    return {
        Material.FUR: body.fur(points),
        Material.EYE: points.near(front & (abs(y - 0.035) < 0.12), eyes.eyeballs),
        Material.NOSE: points.near(front & (abs(x) < 0.08) & (abs(y + 0.048) < 0.08), body.nose),
        Material.BELL: points.near(y < -0.12, body.bell),
    }


CATS = Kind(
    sample=sample_cat,
    tabulate=tabulate,
    parts=parts,
    painters={
        Material.FUR: paint.paint_fur,
        Material.EYE: paint.paint_eyes,
        Material.NOSE: paint.paint_nose,
        Material.BELL: paint.paint_bell,
    },
    anchors=anchors,
    bare=(Material.FUR, Material.EYE, Material.NOSE),
)
