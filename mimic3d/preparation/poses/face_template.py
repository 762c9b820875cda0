"""33 points of the 468-point face mesh in 3-D, and which points of the mesh they are.

Self-built: the mesh of 96 faces of LFW (scikit-image's subset) in 3-D, their Procrustes mean, made
symmetric and tilted to a fixed angle of eyes and mouth. The choice of points is that of
MediaPipe's Procrustes basis; all count alike.
"""

import numpy as np
from jaxtyping import Int

from mimic3d.preparation.poses.lookat import Orbit
from mimic3d.preparation.poses.template import Template

# Index in the mesh, x, y, z in world units. These are in the middle.
_MIDDLE = (
    (4, 0.0, -0.033, 0.256),
    (6, 0.0, 0.049, 0.202),
    (10, 0.0, 0.205, 0.168),
)
# Index in the mesh of the subject's left and right point; x of the left one, y, z.
_SIDES = (
    (263, 33, 0.125, 0.056, 0.130),
    (284, 54, 0.166, 0.152, 0.086),
    (297, 67, 0.098, 0.196, 0.147),
    (346, 117, 0.146, 0.010, 0.132),
    (348, 119, 0.091, 0.007, 0.155),
    (350, 121, 0.051, 0.023, 0.162),
    (356, 127, 0.196, 0.041, -0.002),
    (358, 129, 0.059, -0.045, 0.176),
    (361, 132, 0.188, -0.086, -0.002),
    (362, 133, 0.049, 0.054, 0.144),
    (365, 136, 0.139, -0.195, 0.075),
    (372, 143, 0.174, 0.042, 0.092),
    (376, 147, 0.173, -0.066, 0.101),
    (420, 198, 0.039, -0.012, 0.202),
    (425, 205, 0.112, -0.057, 0.165),
)


def face_template(size: float) -> Template:
    """The template, enlarged about the pivot; names are indices of the mesh."""
    points = {str(index): (x, y, z) for index, x, y, z in _MIDDLE}
    for left, right, x, y, z in _SIDES:
        points |= {str(left): (x, y, z), str(right): (-x, y, z)}
    pivot = np.asarray(Orbit().pivot)
    enlarged = pivot + size * (np.array(list(points.values())) - pivot)
    pairs = tuple((str(left), str(right)) for left, right, *_ in _SIDES)
    return Template(tuple(points), enlarged, pairs, Orbit())


def mesh_indices(template: Template) -> Int[np.ndarray, " m"]:
    """Points of the mesh in the order of the template."""
    return np.array([int(name) for name in template.names])
