"""A whole cat: the signed distance of each of its materials, and its hull."""

from collections.abc import Mapping, Sequence
from enum import IntEnum

from mimic3d.synthetic import eyes
from mimic3d.synthetic.arrays import Scalars
from mimic3d.synthetic.cats import albedo, body
from mimic3d.synthetic.cats.identity import CatIdentity, sample_cat
from mimic3d.synthetic.identity import columns
from mimic3d.synthetic.kind import ApproximateLandmark, SubjectKind
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import Ellipsoid, vector


class CatMaterial(IntEnum):
    """Material of a point of the surface."""

    FUR = 0
    EYE = 1
    NOSE = 2
    BELL = 3


def tabulate(cats: Sequence[CatIdentity]) -> dict[str, ParameterGroup]:
    """Numbers that the formulas of n cats need."""
    c = columns(cats)
    s = c.shape
    groups = body.tabulate(s, c.bell) | eyes.tabulate(s) | albedo.tabulate(s, c.paint)
    hull = {
        "head": Ellipsoid.of(vector(0, 0.06, 0), vector(0.28 * s.width, 0.29, 0.32)),
        "cheeks": Ellipsoid.of(
            vector(0, -0.055, 0.06), vector(0.13 * s.width + 0.14 * s.cheek, 0.13, 0.2)
        ),
        "ears": Ellipsoid.of(vector(0, 0.26, -0.03), vector(0.27, 0.25, 0.12)),
        "body": Ellipsoid.of(vector(0, -0.42, -0.13), vector(0.31 * s.body, 0.42, 0.27)),
    }
    return groups | {"hull": hull}


def parts(points: Points) -> Mapping[int, Scalars]:
    """Signed distances to the materials in head units; bounds far away from them."""
    x, y, z = points.xyz
    front = z > 0.1
    return {
        CatMaterial.FUR: body.fur(points),
        CatMaterial.EYE: points.near(front & (abs(y - 0.035) < 0.12), eyes.eyeballs),
        CatMaterial.NOSE: points.near(front & (abs(x) < 0.08) & (abs(y + 0.048) < 0.08), body.nose),
        CatMaterial.BELL: points.near(y < -0.12, body.bell),
    }


def landmarks(cat: CatIdentity) -> list[ApproximateLandmark]:
    """Landmarks, 13 points."""
    s = cat.shape
    corner, rise = 0.9 * s.eye_radius, 0.9 * s.eye_radius * s.eye_tilt
    tip = body.BASE_Y + 0.165 * s.ear_height
    middle = {
        "nose": (0.0, -0.050, 0.268 + s.nose_z),
        "mouth": (0.0, -0.112, 0.220),
        "chin": (0.0, -0.150, 0.200),
    }
    sides = {
        "eye": (s.eye_x, s.eye_y, eyes.DEPTH + s.eye_radius),
        "eye_outer": (s.eye_x + corner, s.eye_y + rise, eyes.DEPTH + 0.025),
        "eye_inner": (s.eye_x - corner, s.eye_y - rise, eyes.DEPTH + 0.025),
        "ear_tip": (s.ear_x + 0.18 * (tip - body.BASE_Y), tip, -0.035),
        "ear_outer": (s.ear_x + 0.080, body.BASE_Y, -0.03),
        "ear_inner": (s.ear_x - 0.060, body.BASE_Y + 0.03, -0.03),
        "cheek": (0.17 * s.width, -0.07, 0.10),
    }
    single = [ApproximateLandmark(name, name, place) for name, place in middle.items()]
    return single + [
        ApproximateLandmark(f"left_{n}", f"right_{n}", place) for n, place in sides.items()
    ]


CATS = SubjectKind(
    sample=sample_cat,
    tabulate=tabulate,
    parts=parts,
    albedos={
        CatMaterial.FUR: albedo.fur_albedo,
        CatMaterial.EYE: albedo.eyes_albedo,
        CatMaterial.NOSE: albedo.nose_albedo,
        CatMaterial.BELL: albedo.bell_albedo,
    },
    landmarks=landmarks,
    landmark_materials=(CatMaterial.FUR, CatMaterial.EYE, CatMaterial.NOSE),
)
