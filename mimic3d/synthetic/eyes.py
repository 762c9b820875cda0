"""Eyeballs and lids, of heads and cats alike, as signed distances."""

from types import SimpleNamespace

import numpy as np

from mimic3d.synthetic.arrays import Scalars, maximum, norm, where
from mimic3d.synthetic.points import ParameterGroup, Points
from mimic3d.synthetic.primitives import Sphere, smooth_max, vector

DEPTH = 0.128  # z of the centres of the eyeballs
LID = 0.0048  # thickness of the lids


def tabulate(s: SimpleNamespace) -> dict[str, ParameterGroup]:
    """The eyes of n subjects, from their shapes."""
    return {
        "eyes": {
            "ball": Sphere(vector(s.eye_x, s.eye_y, DEPTH), s.eye_radius),
            "tilt": s.eye_tilt,
            "upper_y": np.cos(s.eye_open),
            "upper_z": np.sin(s.eye_open),
            "lower_y": np.cos(s.eye_lower),
            "lower_z": np.sin(s.eye_lower),
        }
    }


def eyeballs(points: Points) -> Scalars:
    """Both eyes."""
    return points.of("eyes").ball.distance(points.folded)


def on_eyes(points: Points) -> tuple[Scalars, Scalars, Scalars]:
    """Offsets from the nearer eye's middle: to the subject's left, up, up across tilted lids."""
    t = points.of("eyes")
    offset = points.folded - t.ball.center
    across = where(points.x > 0, offset[0], -offset[0])
    return across, offset[1], offset[1] - t.tilt * offset[0]


def lid_edges(points: Points) -> tuple[Scalars, Scalars, Scalars, Scalars]:
    """Heights above the upper edge, below the lower (> 0 on the lids), tilted height, distance.

    The edges are planes through the centre of the eyeball.
    """
    t = points.of("eyes")
    offset = points.folded - t.ball.center
    height, z = offset[1] - t.tilt * offset[0], offset[2]
    upper, lower = height * t.upper_y - z * t.upper_z, -height * t.lower_y - z * t.lower_z
    return upper, lower, height, norm(offset)


def lids(points: Points) -> Scalars:
    """A shell around each eyeball with a gap for the eye."""
    upper, lower, _, distance = lid_edges(points)
    return smooth_max(
        distance - (points.of("eyes").ball.radius + LID), -maximum(upper, lower), 0.004
    )
