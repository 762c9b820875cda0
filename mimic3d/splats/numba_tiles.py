"""Ellipses in tiles of 16 by 16 pixels: the splats that change each, front to back."""

import math

from mimic3d.rendering.fused.numba_compile import compiled, kernel
from mimic3d.splats.numba_blend import SMALLEST_ALPHA, TILE


@kernel
def fill_reaches(ellipses, opacities, reaches):
    """Fills `reaches` m 2: half width and half height, in pixels, of what each splat changes."""
    for i in range(len(ellipses)):
        x, y, xx = ellipses[i, 0], ellipses[i, 1], ellipses[i, 2]
        xy, yy = ellipses[i, 3], ellipses[i, 4]
        is_near = x > -1e6 and x < 1e6 and y > -1e6 and y < 1e6
        if not is_near or opacities[i] <= SMALLEST_ALPHA:
            reaches[i, 0] = -1
            continue
        size = 2 * math.log(opacities[i] / SMALLEST_ALPHA) / (xx * yy - xy * xy)
        reaches[i, 0], reaches[i, 1] = math.sqrt(size * yy), math.sqrt(size * xx)


@compiled
def tiles_of(x, y, reach_x, reach_y, across, down):
    """First and last tile over which a splat reaches, across and down; none if it is nowhere."""
    if reach_x < 0:
        return 0, -1, 0, -1
    left = max(0, math.ceil(x - reach_x) // TILE)
    right = min(across - 1, math.floor(x + reach_x) // TILE)
    top = max(0, math.ceil(y - reach_y) // TILE)
    bottom = min(down - 1, math.floor(y + reach_y) // TILE)
    return left, right, top, bottom


@kernel
def count_entries(ellipses, reaches, across, down, starts):
    """Fills `starts`, all zeros, so that `list_entries` can go on; returns how many there are."""
    for s in range(len(ellipses)):
        left, right, top, bottom = tiles_of(
            ellipses[s, 0], ellipses[s, 1], reaches[s, 0], reaches[s, 1], across, down
        )
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                starts[row * across + column + 2] += 1
    for tile in range(across * down):
        starts[tile + 2] += starts[tile + 1]
    return starts[across * down + 1]


@kernel
def list_entries(order, ellipses, reaches, across, down, starts, members):
    """Fills the splats of each tile in `order`, front to back, and moves `starts` there."""
    for s in order:
        left, right, top, bottom = tiles_of(
            ellipses[s, 0], ellipses[s, 1], reaches[s, 0], reaches[s, 1], across, down
        )
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                tile = row * across + column
                members[starts[tile + 1]] = s
                starts[tile + 1] += 1
