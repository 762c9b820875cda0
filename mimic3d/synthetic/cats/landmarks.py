"""Where the landmarks of a cat lie: eyes, ears, nose and mouth."""

from mimic3d.synthetic.cats.body import BASE_Y
from mimic3d.synthetic.cats.identity import Cat
from mimic3d.synthetic.eyes import DEPTH
from mimic3d.synthetic.kind import Anchor


def anchors(cat: Cat) -> list[Anchor]:
    """13 points."""
    s = cat.shape
    corner, rise = 0.9 * s.eye_radius, 0.9 * s.eye_radius * s.eye_tilt
    tip = BASE_Y + 0.165 * s.ear_height
    middle = {
        "nose": (0.0, -0.050, 0.268 + s.nose_z),
        "mouth": (0.0, -0.112, 0.220),
        "chin": (0.0, -0.150, 0.200),
    }
    sides = {
        "eye": (s.eye_x, s.eye_y, DEPTH + s.eye_radius),
        "eye_outer": (s.eye_x + corner, s.eye_y + rise, DEPTH + 0.025),
        "eye_inner": (s.eye_x - corner, s.eye_y - rise, DEPTH + 0.025),
        "ear_tip": (s.ear_x + 0.18 * (tip - BASE_Y), tip, -0.035),
        "ear_outer": (s.ear_x + 0.080, BASE_Y, -0.03),
        "ear_inner": (s.ear_x - 0.060, BASE_Y + 0.03, -0.03),
        "cheek": (0.17 * s.width, -0.07, 0.10),
    }
    found = [Anchor(name, name, place) for name, place in middle.items()]
    return found + [Anchor(f"left_{n}", f"right_{n}", place) for n, place in sides.items()]
