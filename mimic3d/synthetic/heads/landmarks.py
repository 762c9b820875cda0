"""Where the landmarks of a head lie: 33 points of the 468-point face mesh, by their indices."""

from mimic3d.synthetic.eyes import DEPTH
from mimic3d.synthetic.heads.identity import Head
from mimic3d.synthetic.kind import Anchor


def anchors(head: Head) -> list[Anchor]:
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
        ("263", "33"): (s.eye_x + corner, s.eye_y + rise, DEPTH + 0.016),  # outer corner of the eye
        ("362", "133"): (s.eye_x - corner, s.eye_y - rise, DEPTH + 0.016),  # inner corner
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
    found = [Anchor(name, name, place) for name, place in middle.items()]
    return found + [Anchor(left, right, place) for (left, right), place in sides.items()]
