"""Hair, glasses, earring and clothes as signed distances."""

import numpy as np

from mimic3d.data.synthetic.identity import Shape, Wear
from mimic3d.data.synthetic.primitives import (
    Axis,
    Triple,
    capsule,
    ellipsoid,
    smooth_max,
    smooth_min,
    sphere,
)

HAIR_CENTER = (0.0, 0.125, -0.045)
HAIR_SIZE = {"short": 1.0, "long": 1.05, "bob": 1.07, "bun": 0.985, "afro": 1.22}
SHOULDERS: tuple[Triple, Triple] = ((0.0, -0.575, -0.055), (0.46, 0.24, 0.20))


def hair_radii(s: Shape, w: Wear) -> Triple:
    """Of the ellipsoid that the hair is cut from."""
    size = HAIR_SIZE[w.style] * w.volume
    return 0.214 * s.width * size, 0.245 * size, 0.246 * size


def hair(s: Shape, w: Wear, x: Axis, y: Axis, z: Axis) -> Axis:
    """The hair of a head that is not bald, parted off the middle."""
    ax = np.abs(x)
    d = ellipsoid(x, y, z, HAIR_CENTER, hair_radii(s, w))
    if w.style == "long":
        strand = ellipsoid(ax, y, z, (0.165 * s.width, -0.12, -0.07), (0.075, 0.30, 0.115))
        d = smooth_min(d, strand, 0.08)
    elif w.style == "bob":
        strand = ellipsoid(ax, y, z, (0.175 * s.width, -0.03, -0.06), (0.062, 0.21, 0.12))
        d = smooth_min(d, strand, 0.07)
    elif w.style == "bun":
        d = smooth_min(d, sphere(x, y, z, (0, 0.34, -0.13), 0.08), 0.02)
    hairline = w.hairline + (0.03 if w.style == "bun" else 0)
    parting = w.part * np.clip((y - 0.1) * 4, 0, 1)
    forehead = ellipsoid(
        x - parting, y, z, (0, -0.035 + hairline, 0.225), (0.168 * s.width, 0.215, 0.26)
    )
    d = smooth_max(d, -forehead, 0.02)
    if w.style in ("short", "bun", "afro"):  # ears and neck stay clear
        nape = (-0.05 if w.style == "afro" else -0.02) - y - 1.4 * np.clip(-z - 0.02, 0, 0.12)
        d = smooth_max(d, nape, 0.03)
        ear = ellipsoid(ax, y, z, (0.235 * s.width, -0.01, 0.01), (0.05, 0.075, 0.055))
        d = smooth_max(d, -ear, 0.02)
    return d + _relief(w, x, y, z)


def strand_phase(w: Wear, x: Axis, y: Axis, z: Axis) -> Axis:
    """Angle that runs across the strands."""
    return np.arctan2(x, z + 0.3) * w.strands + y * 14


def _relief(w: Wear, x: Axis, y: Axis, z: Axis) -> Axis:
    if w.style == "afro":
        curl = np.sin(x * 95 + np.sin(y * 60) * 1.5) * np.sin(y * 88 + np.sin(z * 55) * 1.5)
        return 0.006 * curl * np.sin(z * 91 + x * 30)
    phase = strand_phase(w, x, y, z)
    return 0.0021 * (np.sin(phase) + 0.7 * np.sin(phase * 0.37 + y * 9 + 2))


def glasses(s: Shape, w: Wear, x: Axis, y: Axis, z: Axis) -> Axis:
    """Round frames, bridge and temples."""
    ax, radius = np.abs(x), w.glasses_radius
    qx, qy = ax - s.eye_x, y - (s.eye_y - 0.004)
    qz = z - 0.192 + 0.9 * ax * ax
    ring = np.sqrt(qx * qx + qy * qy * 1.25) - radius
    d = np.sqrt(ring * ring + qz * qz) - 0.0045
    level = s.eye_y + 0.004
    bridge = capsule(ax, y, z, (0, level, 0.200), (s.eye_x - radius, level, 0.192), 0.004, 0.004)
    hinge, ear = (s.eye_x + radius, level + 0.002, 0.174), (0.206 * s.width, 0.03, -0.02)
    temple = capsule(ax, y, z, hinge, ear, 0.0045, 0.0045)
    return np.minimum(np.minimum(d, bridge), temple) * 0.9


def earring(s: Shape, w: Wear, x: Axis, y: Axis, z: Axis) -> Axis:
    """A pearl below the left ear only."""
    lobe = (0.205 * s.width, 0.012 - 0.056 * s.ear - 0.5 * w.earring, -0.018)
    return sphere(x, y, z, lobe, w.earring)


def clothes(s: Shape, x: Axis, y: Axis, z: Axis) -> Axis:
    """Shoulders and a collar around the neck."""
    d = ellipsoid(x, y, z, *SHOULDERS)
    collar = capsule(
        x, y, z, (0, -0.32, -0.066), (0, -0.44, -0.08), 0.122 * s.width, 0.155 * s.width
    )
    cut = y + 0.305 - 0.25 * (z + 0.07)  # open towards the chin, higher at the nape
    return smooth_min(d, smooth_max(collar, cut + 0.5 * np.clip(z, 0, 0.1), 0.01), 0.03)
