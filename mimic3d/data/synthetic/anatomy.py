"""The skin of a head as a signed distance: skull, face, ears, neck, eyes and lips."""

import math

import numpy as np

from mimic3d.data.synthetic.identity import Shape
from mimic3d.data.synthetic.primitives import (
    Axis,
    capsule,
    ellipsoid,
    length,
    smooth_max,
    smooth_min,
    sphere,
)

EYE_Z = 0.128  # of the centre of the eyeballs
FACE_Z = 0.05  # features of the face shape the skin in front of this plane only


def skin(s: Shape, x: Axis, y: Axis, z: Axis) -> Axis:
    """Head, ears and neck without eyes; face features where they can matter."""
    ax = np.abs(x)
    d = ellipsoid(x, y, z, (0, 0.115, -0.03), (0.196 * s.width, 0.235, 0.238))
    jaw = (0.156 * s.width * s.jaw, 0.205 * s.length, 0.148)
    d = smooth_min(d, ellipsoid(x, y, z, (0, -0.075 * s.length, 0.035), jaw), 0.07)
    neck = capsule(x, y, z, (0, -0.18, -0.05), (0, -0.5, -0.085), 0.108 * s.width, 0.112 * s.width)
    front = np.flatnonzero((z > FACE_Z) & (y < 0.2))
    if len(front):
        d[front] = face(s, ax[front], y[front], z[front], d[front])
    sides = np.flatnonzero((ax > 0.15) & (np.abs(y) < 0.2))
    if len(sides):
        d[sides] = ears(s, ax[sides], y[sides], z[sides], d[sides])
    return smooth_min(d, neck, 0.05)


def face(s: Shape, ax: Axis, y: Axis, z: Axis, d: Axis) -> Axis:
    """Chin, cheeks, brow, sockets, nose, muzzle, lips and lids; `ax` is |x|."""
    chin = (0.0, -0.232 * s.length + s.chin_y, 0.128 + s.chin_z)
    d = smooth_min(d, sphere(ax, y, z, chin, 0.046), 0.07)
    d = smooth_min(d, sphere(ax, y, z, (0.088 * s.width, -0.045, 0.098 + s.cheek), 0.062), 0.06)
    brow_in, brow_out = (0.0, 0.098, 0.176 + s.brow), (0.095 * s.width, 0.098, 0.140 + s.brow)
    d = smooth_min(d, capsule(ax, y, z, brow_in, brow_out, 0.024, 0.02), 0.05)
    d = smooth_max(d, -sphere(ax, y, z, (s.eye_x, s.eye_y, 0.212), 0.048), 0.045)
    d = smooth_min(d, nose(s, ax, y, z), 0.026)
    nostril = (0.0125 * s.nose_width, -0.060 - s.nose_length, 0.218 + s.nose_z)
    d = smooth_max(d, -ellipsoid(ax, y, z, nostril, (0.0075, 0.008, 0.012)), 0.006)
    muzzle = ellipsoid(ax, y, z, (0, s.mouth_y - 0.002, 0.136), (0.080, 0.052, 0.044))
    d = smooth_min(d, muzzle, 0.05)
    inside, crease = lips(s, ax, y, z)
    q = np.clip(inside, 0, 1)
    d = d - 0.0085 * q * (2 - q) + 0.0055 * crease * crease * (3 - 2 * crease)
    return smooth_min(d, lids(s, ax, y, z), 0.006)


def nose(s: Shape, ax: Axis, y: Axis, z: Axis) -> Axis:
    """Bridge, tip and wings."""
    tip_y, width = -0.034 - s.nose_length, s.nose_width
    bridge_top, bridge_end = (0.0, 0.062, 0.166 + s.bridge), (0.0, tip_y + 0.006, 0.224 + s.nose_z)
    d = capsule(ax, y, z, bridge_top, bridge_end, 0.013 * width, 0.022 * width)
    tip = sphere(ax, y, z, (0.0, tip_y, 0.229 + s.nose_z), 0.0245 * (0.6 + 0.4 * width))
    wing = (0.0265 * width, tip_y - 0.009, 0.207 + s.nose_z)
    d = smooth_min(d, tip, 0.02)
    return smooth_min(d, ellipsoid(ax, y, z, wing, (0.017, 0.0165, 0.022)), 0.018)


def ears(s: Shape, ax: Axis, y: Axis, z: Axis, d: Axis) -> Axis:
    """Adds hollowed ears."""
    outer = (0.019, 0.056 * s.ear, 0.036 * s.ear)
    ear = ellipsoid(ax, y, z, (0.194 * s.width, 0.012, -0.025), outer)
    inner = (0.013, 0.038 * s.ear, 0.022 * s.ear)
    hollow = ellipsoid(ax, y, z, (0.213 * s.width, 0.016, -0.013), inner)
    return smooth_min(d, smooth_max(ear, -hollow, 0.012), 0.02)


def eyeballs(s: Shape, x: Axis, y: Axis, z: Axis) -> Axis:
    """Both eyes."""
    return sphere(np.abs(x), y, z, (s.eye_x, s.eye_y, EYE_Z), s.eye_radius)


def lid_edges(s: Shape, ax: Axis, y: Axis, z: Axis) -> tuple[Axis, Axis, Axis, Axis]:
    """Above the upper edge, below the lower one (both > 0 on the lids), tilted height, distance.

    The edges are planes through the centre of the eyeball.
    """
    x0, y0, z0 = ax - s.eye_x, y - s.eye_y, z - EYE_Z
    height = y0 - s.eye_tilt * x0
    upper = height * math.cos(s.eye_open) - z0 * math.sin(s.eye_open)
    lower = -height * math.cos(s.eye_lower) - z0 * math.sin(s.eye_lower)
    return upper, lower, height, length(x0, y0, z0)


def lids(s: Shape, ax: Axis, y: Axis, z: Axis) -> Axis:
    """A shell around the eyeball with a gap for the eye."""
    upper, lower, _, distance = lid_edges(s, ax, y, z)
    return smooth_max(distance - (s.eye_radius + 0.0048), -np.maximum(upper, lower), 0.004)


def lips(s: Shape, ax: Axis, y: Axis, z: Axis) -> tuple[Axis, Axis]:
    """How far inside the lips (> 0), and the crease between them (0..1), in frontal projection."""
    u2 = (ax * (1 / s.mouth_width)) ** 2
    height = y - s.smile * u2 - s.mouth_y
    bow = 0.0022 * np.clip(1 - np.abs(ax - 0.014) * 70, 0, 1)
    upper, lower = 0.0155 * s.lip, 0.0195 * s.lip
    inside = np.minimum(
        (upper * (1 - u2) + bow - height) * (1 / upper), (lower * (1 - u2) + height) * (1 / lower)
    )
    on_face = z > 0.09
    inside = np.where(on_face & (u2 < 1), inside, np.float32(-1))
    crease = np.clip(1 - np.abs(height) * (1 / 0.0042), 0, 1)
    return inside, np.where(on_face & (u2 < 1.05), crease, np.float32(0))
