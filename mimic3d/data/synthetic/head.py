"""A whole head as one signed distance, and which of its materials is on the surface."""

from enum import IntEnum

import numpy as np
from jaxtyping import Int

from mimic3d.data.synthetic import anatomy, wear
from mimic3d.data.synthetic.identity import Identity
from mimic3d.data.synthetic.primitives import Axis, Triple


class Material(IntEnum):
    """What a point of the surface is made of."""

    SKIN = 0
    EYE = 1
    HAIR = 2
    CLOTH = 3
    GLASSES = 4
    EARRING = 5


EYE_REGION_Z = 0.10  # eyes, glasses' rims and earring are evaluated near them only
NEAR = 0.06  # margin of these regions


def distance(identity: Identity, x: Axis, y: Axis, z: Axis) -> Axis:
    """Signed distance to the head, in head units; a lower bound far away from it."""
    s, w = identity.shape, identity.wear
    d = anatomy.skin(s, x, y, z) * 0.9  # smooth unions overestimate a little
    if w.style != "bald":
        d = np.minimum(d, wear.hair(s, w, x, y, z))
    low = np.flatnonzero(y < -0.15)
    if len(low):
        d[low] = np.minimum(d[low], wear.clothes(s, x[low], y[low], z[low]))
    eyes = np.flatnonzero((z > EYE_REGION_Z) & (np.abs(y - s.eye_y) < NEAR))
    if len(eyes):
        d[eyes] = np.minimum(d[eyes], anatomy.eyeballs(s, x[eyes], y[eyes], z[eyes]))
    if w.glasses_radius:
        rims = np.flatnonzero((z > -NEAR) & (np.abs(y - s.eye_y) < 2 * NEAR))
        if len(rims):
            d[rims] = np.minimum(d[rims], wear.glasses(s, w, x[rims], y[rims], z[rims]))
    if w.earring:
        d = np.minimum(d, wear.earring(s, w, x, y, z))
    return d


def materials(identity: Identity, x: Axis, y: Axis, z: Axis) -> Int[np.ndarray, " m"]:
    """The Material nearest to each point."""
    s, w = identity.shape, identity.wear
    parts = {
        Material.SKIN: anatomy.skin(s, x, y, z) * 0.9,
        Material.EYE: anatomy.eyeballs(s, x, y, z),
        Material.CLOTH: wear.clothes(s, x, y, z),
    }
    if w.style != "bald":
        parts[Material.HAIR] = wear.hair(s, w, x, y, z)
    if w.glasses_radius:
        parts[Material.GLASSES] = wear.glasses(s, w, x, y, z)
    if w.earring:
        parts[Material.EARRING] = wear.earring(s, w, x, y, z)
    nearest = np.stack(list(parts.values())).argmin(axis=0)
    return np.asarray([int(material) for material in parts])[nearest]


def bounds(identity: Identity) -> list[tuple[Triple, Triple]]:
    """Ellipsoids (centre, radii) that together contain the head."""
    s, w = identity.shape, identity.wear
    wide = s.width * w.volume
    center, radii = wear.SHOULDERS
    hull = [
        ((0.0, 0.03, 0.0), (0.245 * wide, 0.33 * max(1.0, s.length), 0.285)),
        (center, (radii[0] + 0.02, radii[1] + 0.02, radii[2] + 0.02)),
        ((0.0, -0.36, -0.07), (0.20, 0.30, 0.20)),
    ]
    if w.style != "bald":
        a, b, c = wear.hair_radii(s, w)
        hull.append((wear.HAIR_CENTER, (a + 0.015, b + 0.015, c + 0.015)))
    if w.style == "long":
        hull.append(((0.0, -0.10, -0.07), (0.285 * s.width, 0.36, 0.21)))
    if w.style == "bob":
        hull.append(((0.0, -0.02, -0.06), (0.275 * s.width, 0.27, 0.21)))
    if w.style == "bun":
        hull.append(((0.0, 0.34, -0.13), (0.10, 0.10, 0.10)))
    return hull
