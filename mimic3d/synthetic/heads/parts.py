"""A whole head: the signed distance of each of its materials, and its hull."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import SimpleNamespace

import numpy as np

from mimic3d.synthetic import eyes
from mimic3d.synthetic.arrays import Scalars, any_flagged, where_flag
from mimic3d.synthetic.heads import accessories, albedo, hair, skin
from mimic3d.synthetic.heads.identity import HeadIdentity, sample_head
from mimic3d.synthetic.identity import columns, flags
from mimic3d.synthetic.kind import ApproximateLandmark, SubjectKind
from mimic3d.synthetic.points import FAR, ParameterGroup, Points
from mimic3d.synthetic.primitives import Ellipsoid, vector


class HeadMaterial(IntEnum):
    """Material of a point of the surface."""

    SKIN = 0
    EYE = 1
    HAIR = 2
    CLOTH = 3
    GLASSES = 4
    EARRING = 5


EYE_REGION_Z = 0.10  # eyes and glasses' rims are evaluated near them only
NEAR = 0.06  # margin of these regions


def tabulate(heads: Sequence[HeadIdentity]) -> dict[str, ParameterGroup]:
    """Numbers that the formulas of n heads need."""
    c = columns(heads)
    s, p, w = c.shape, c.paint, c.wear
    bodies = skin.tabulate(s) | eyes.tabulate(s) | hair.tabulate(s, w) | accessories.tabulate(s, w)
    return bodies | albedo.tabulate(s, p, w) | {"hull": hull(s, w)}


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


def parts(points: Points) -> Mapping[int, Scalars]:
    """Signed distances to the materials in head units; bounds far away from them."""
    y, z = points.y, points.z
    off_eyes = abs(y - points.of("eyes").ball.center[1])
    distances: dict[int, Scalars] = {
        HeadMaterial.SKIN: skin.skin(points),
        HeadMaterial.EYE: points.near((z > EYE_REGION_Z) & (off_eyes < NEAR), eyes.eyeballs),
        HeadMaterial.CLOTH: points.near(y < -0.15, accessories.clothes),
    }
    has_hair = points.of("hair").present
    if any_flagged(has_hair):
        distances[HeadMaterial.HAIR] = where_flag(has_hair, hair.hair(points), FAR)
    has_glasses = points.of("glasses").present
    if any_flagged(has_glasses):
        mask = (z > -NEAR) & (off_eyes < 2 * NEAR) & (has_glasses > 0)
        distances[HeadMaterial.GLASSES] = points.near(mask, accessories.glasses)
    has_earring = points.of("earring").present
    if any_flagged(has_earring):
        distances[HeadMaterial.EARRING] = where_flag(has_earring, accessories.earring(points), FAR)
    return distances


def landmarks(head: HeadIdentity) -> list[ApproximateLandmark]:
    """The points that the template of faces has, with its names."""
    s = head.shape
    corner, rise = 0.9 * s.eye_radius, 0.9 * s.eye_radius * s.eye_tilt
    bridge, tip = 0.19 + s.bridge, -0.034 - s.nose_length
    middle = {
        "4": (0.0, tip, 0.255 + s.nose_z),  # tip of the nose
        "6": (0.0, s.eye_y, bridge),  # between the eyes
        "10": (0.0, 0.225, 0.17),  # top of the forehead
    }
    sides = {
        ("263", "33"): (s.eye_x + corner, s.eye_y + rise, eyes.DEPTH + 0.016),  # outer corner
        ("362", "133"): (s.eye_x - corner, s.eye_y - rise, eyes.DEPTH + 0.016),  # inner corner
        ("372", "143"): (0.165 * s.width, 0.045, 0.095),  # beside the eye
        ("346", "117"): (0.135 * s.width, 0.010, 0.125),  # below the eye, outside
        ("348", "119"): (s.eye_x, 0.002, 0.150),  # below the eye
        ("350", "121"): (0.050, 0.018, 0.155),  # below the eye, inside
        ("420", "198"): (0.030 * s.nose_width, tip + 0.022, 0.195 + s.nose_z),  # flank of the nose
        ("358", "129"): (0.044 * s.nose_width, tip - 0.008, 0.195 + s.nose_z),  # wing of the nose
        ("425", "205"): (0.092 * s.width, -0.065, 0.145),  # cheek
        ("376", "147"): (0.140 * s.width, -0.075, 0.090),  # cheek, outside
        ("297", "67"): (0.095 * s.width, 0.215, 0.145),  # forehead
        ("284", "54"): (0.150 * s.width, 0.165, 0.090),  # temple
        ("356", "127"): (0.192 * s.width, 0.070, 0.010),  # before the ear
        ("361", "132"): (0.160 * s.width, -0.090, 0.020),  # jaw, below the ear
        ("365", "136"): (0.100 * s.width, -0.205 * s.length, 0.075),  # jaw
    }
    single = [ApproximateLandmark(name, name, place) for name, place in middle.items()]
    return single + [
        ApproximateLandmark(left, right, place) for (left, right), place in sides.items()
    ]


HEADS = SubjectKind(
    sample=sample_head,
    tabulate=tabulate,
    parts=parts,
    albedos={
        HeadMaterial.SKIN: albedo.skin_albedo,
        HeadMaterial.EYE: albedo.eyes_albedo,
        HeadMaterial.HAIR: albedo.hair_albedo,
        HeadMaterial.CLOTH: albedo.clothes_albedo,
        HeadMaterial.GLASSES: albedo.glasses_albedo,
        HeadMaterial.EARRING: albedo.earring_albedo,
    },
    landmarks=landmarks,
    landmark_materials=(HeadMaterial.SKIN, HeadMaterial.EYE),
)
