"""Named points of the surface of a subject, in the world."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mimic3d.synthetic.identity import HEAD_SCALE, Identity
from mimic3d.synthetic.kind import SubjectKind
from mimic3d.synthetic.points import ParameterTable, Points

STEPS = 20  # of Newton's method, from the landmarks to the surface
DIFFERENCE = 1e-3  # head units; of the differences that make normals


@dataclass(frozen=True)
class Landmarks:
    """Points on skin, fur or eyes, whatever hides them; left and right are the subject's own."""

    names: tuple[str, ...]
    points: Float64[np.ndarray, "m 3"]
    """World units."""
    normals: Float64[np.ndarray, "m 3"]
    """Out of the surface, unit length."""


def find_landmarks(kind: SubjectKind, identity: Identity) -> Landmarks:
    """The landmarks of a subject, where its surface is nearest to their approximate places."""
    names, positions = [], []
    for guess in kind.landmarks(identity):
        names.append(guess.left if identity.side > 0 else guess.right)
        positions.append(guess.position)
        if guess.left != guess.right:
            x, y, z = guess.position
            names.append(guess.right if identity.side > 0 else guess.left)
            positions.append((-x, y, z))
    xyz = np.asarray(positions, dtype=np.float32).T
    table = ParameterTable.build(kind.tabulate([identity]), 1)
    gaps, normals = _surface(kind, table, xyz)
    for _ in range(STEPS):
        xyz = xyz - gaps * normals
        gaps, normals = _surface(kind, table, xyz)
    to_world = np.asarray([identity.side, 1, 1])
    return Landmarks(tuple(names), HEAD_SCALE * to_world * xyz.T, to_world * normals.T)


def _surface(
    kind: SubjectKind, table: ParameterTable, xyz: Float32[np.ndarray, "3 m"]
) -> tuple[Float32[np.ndarray, " m"], Float32[np.ndarray, "3 m"]]:
    """Distance to what landmarks lie on, and away from it."""
    moved = [xyz + sign * axis[:, None] for sign in (-1, 1) for axis in DIFFERENCE * np.eye(3)]
    parts = kind.parts(Points(np.concatenate([xyz, *moved], 1).astype(np.float32), table, None))
    gaps = np.minimum.reduce([parts[material] for material in kind.landmark_materials]).reshape(
        7, -1
    )
    slope = gaps[4:] - gaps[1:4]
    return gaps[0], slope / np.linalg.norm(slope, axis=0)
