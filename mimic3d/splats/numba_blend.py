"""Blending of the splats of each tile front to back, and gradients from back to front."""

import math

import numpy as np

from mimic3d.rendering.fused.numba_compile import compiled, kernel, reduction
from mimic3d.rendering.fused.numba_maths import HALF, ONE, ZERO, exp_neg
from mimic3d.rendering.fused.numba_memory import (
    divide,
    load_block,
    load_input,
    load_sum,
    store_block,
    store_sum,
)

TILE = 16
PIXELS = TILE * TILE
BYTES = 4  # of a float
RECORD = 10  # gradients of an entry: by ellipse 5, by opacity, by value 3; and its share
SMALLEST_ALPHA = np.float32(1 / 255)  # 3D Gaussian Splatting; less changes no pixel of 8 bits
APART = 64  # floats from one row of sums to the next: LLVM makes no vectors if they are close
CHECKED = 8  # splats after which a tile is asked whether it is done
BLEND_FLOATS, SLOPE_FLOATS, SUM_FLOATS = 4 * PIXELS, 7 * PIXELS, 7 * APART


@compiled
def rows_of(y, reach_y):
    """First and last row of a tile over which a splat reaches; `y` is its own from the tile's."""
    return max(0, math.ceil(y - reach_y)), min(TILE - 1, math.floor(y + reach_y))


@reduction
def blend_row(lanes, row, columns, x, xx, xy_dy, yy_dy, opacity, red, green, blue):
    """Puts one splat behind what a row of a tile has: planes of light and of three values."""
    lanes = (lanes >> 4) << 4  # tells LLVM that no remainder is left
    for i in range(lanes):
        dx = load_input(columns, i) - x
        alpha = opacity * exp_neg(max(dx * (HALF * xx * dx + xy_dy) + yy_dy, ZERO))
        light = load_block(row, i)
        share = light * alpha if alpha >= SMALLEST_ALPHA else ZERO
        store_block(row, i, light - share)
        store_block(row, PIXELS + i, load_block(row, PIXELS + i) + share * red)
        store_block(row, 2 * PIXELS + i, load_block(row, 2 * PIXELS + i) + share * green)
        store_block(row, 3 * PIXELS + i, load_block(row, 3 * PIXELS + i) + share * blue)


@reduction
def brightest(lanes, block):
    """Most light that is left in a pixel of a tile."""
    lanes = (lanes >> 4) << 4
    most = ZERO
    for i in range(lanes * TILE):
        most = max(most, load_block(block, i))
    return most


@kernel
def blend(
    lanes, block, columns, starts, members, ellipses, reaches, opacities, values, least_light,
    ends, image, light,
):  # fmt: skip
    """Fills `image` h w 3 and `light` h w; `ends` are the entries at which tiles were done.

    `block` is the address of `BLEND_FLOATS`, `columns` that of 0 to 15; `lanes` is 16, as a number
    that the compiler does not know: it would unroll loops before it could turn them into vectors.
    """
    height, width = light.shape
    across = (width + TILE - 1) // TILE
    for tile in range(len(ends)):
        top, left = tile // across * TILE, tile % across * TILE
        for i in range(PIXELS):
            store_block(block, i, ONE)
        for i in range(PIXELS, 4 * PIXELS):
            store_block(block, i, ZERO)
        entry, end = starts[tile], starts[tile + 1]
        while entry < end:
            s = members[entry]
            entry += 1
            x, y = ellipses[s, 0] - np.float32(left), ellipses[s, 1] - np.float32(top)
            xx, xy, yy = ellipses[s, 2], ellipses[s, 3], ellipses[s, 4]
            first, last = rows_of(y, reaches[s, 1])
            for row in range(first, last + 1):
                dy = np.float32(row) - y
                blend_row(
                    lanes, block + BYTES * TILE * row, columns, x, xx, xy * dy,
                    HALF * yy * dy * dy, opacities[s], values[s, 0], values[s, 1], values[s, 2],
                )  # fmt: skip
            if entry % CHECKED == 0 and brightest(lanes, block) < least_light:
                break
        ends[tile] = entry
        for row in range(top, min(top + TILE, height)):
            for column in range(left, min(left + TILE, width)):
                i = (row - top) * TILE + column - left
                light[row, column] = load_block(block, i)
                for k in range(3):
                    image[row, column, k] = load_block(block, (k + 1) * PIXELS + i)


@reduction
def slope_row(lanes, row, sums, columns, x, xx, xy_dy, yy_dy, dy, opacity, red, green, blue):
    """Takes one splat from a row of a tile, and adds its gradients, lane by lane, to `sums`.

    The row's planes: light that passes, three values of what lies behind, and three gradients by
    the image. Sums: by exponent times 1, dy and dy^2, share, three by value.
    """
    lanes = (lanes >> 4) << 4
    for i in range(lanes):
        dx = load_input(columns, i) - x
        alpha = opacity * exp_neg(max(dx * (HALF * xx * dx + xy_dy) + yy_dy, ZERO))
        alpha = alpha if alpha >= SMALLEST_ALPHA else ZERO
        light = divide(load_block(row, i), ONE - alpha)
        store_block(row, i, light)
        share = light * alpha
        r, g, b = (load_block(row, (1 + 0) * PIXELS + i), load_block(row, 2 * PIXELS + i),
                   load_block(row, 3 * PIXELS + i))  # fmt: skip
        by_r, by_g, by_b = (load_block(row, 4 * PIXELS + i), load_block(row, 5 * PIXELS + i),
                            load_block(row, 6 * PIXELS + i))  # fmt: skip
        change = share * (by_r * (red - r) + by_g * (green - g) + by_b * (blue - b))
        store_block(row, PIXELS + i, r + alpha * (red - r))
        store_block(row, 2 * PIXELS + i, g + alpha * (green - g))
        store_block(row, 3 * PIXELS + i, b + alpha * (blue - b))
        store_sum(sums, i, load_sum(sums, i) + change)
        store_sum(sums, APART + i, load_sum(sums, APART + i) + change * dy)
        store_sum(sums, 2 * APART + i, load_sum(sums, 2 * APART + i) + change * dy * dy)
        store_sum(sums, 3 * APART + i, load_sum(sums, 3 * APART + i) + share)
        store_sum(sums, 4 * APART + i, load_sum(sums, 4 * APART + i) + share * by_r)
        store_sum(sums, 5 * APART + i, load_sum(sums, 5 * APART + i) + share * by_g)
        store_sum(sums, 6 * APART + i, load_sum(sums, 6 * APART + i) + share * by_b)


@reduction
def add_sums(lanes, sums, columns, x, xx, xy, yy, opacity, record):
    """Fills a record (see `RECORD`) from the sums over the rows of an entry."""
    s, sx, sy, sxx, sxy, syy = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    share, red, green, blue = ZERO, ZERO, ZERO, ZERO
    lanes = (lanes >> 4) << 4
    for i in range(lanes):
        dx = load_input(columns, i) - x
        change, by_dy = load_sum(sums, i), load_sum(sums, APART + i)
        s, sx, sxx = s + change, sx + change * dx, sxx + change * dx * dx
        sy, sxy, syy = sy + by_dy, sxy + by_dy * dx, syy + load_sum(sums, 2 * APART + i)
        share += load_sum(sums, 3 * APART + i)
        red += load_sum(sums, 4 * APART + i)
        green += load_sum(sums, 5 * APART + i)
        blue += load_sum(sums, 6 * APART + i)
    record[0], record[1] = xx * sx + xy * sy, xy * sx + yy * sy
    record[2], record[3], record[4] = -HALF * sxx, -sxy, -HALF * syy
    record[5] = s / opacity
    record[6], record[7], record[8], record[9] = red, green, blue, share


@kernel
def differentiate(
    lanes, block, sums, columns, starts, ends, members, ellipses, reaches, opacities, values,
    light, background, gradient, records,
):  # fmt: skip
    """Fills `records` (see `RECORD`) of all entries that `blend` came to, from back to front.

    `gradient` h w 3 is that of a number by the image on its background; `light` h w is what passes
    all splats. `block` and `sums` are the addresses of `SLOPE_FLOATS` and `SUM_FLOATS`.
    """
    height, width = light.shape
    across = (width + TILE - 1) // TILE
    for tile in range(len(ends)):
        top, left = tile // across * TILE, tile % across * TILE
        for i in range(PIXELS):
            row, column = top + i // TILE, left + i % TILE
            is_inside = row < height and column < width
            store_block(block, i, light[row, column] if is_inside else ZERO)
            for k in range(3):
                store_block(block, (1 + k) * PIXELS + i, background)
                by = gradient[row, column, k] if is_inside else ZERO
                store_block(block, (4 + k) * PIXELS + i, by)
        for reverse in range(ends[tile] - starts[tile]):
            entry = ends[tile] - 1 - reverse
            s = members[entry]
            for i in range(SUM_FLOATS):
                store_sum(sums, i, ZERO)
            x, y = ellipses[s, 0] - np.float32(left), ellipses[s, 1] - np.float32(top)
            xx, xy, yy = ellipses[s, 2], ellipses[s, 3], ellipses[s, 4]
            first, last = rows_of(y, reaches[s, 1])
            for row in range(first, last + 1):
                dy = np.float32(row) - y
                slope_row(
                    lanes, block + BYTES * TILE * row, sums, columns, x, xx, xy * dy,
                    HALF * yy * dy * dy, dy, opacities[s], values[s, 0], values[s, 1],
                    values[s, 2],
                )  # fmt: skip
            add_sums(lanes, sums, columns, x, xx, xy, yy, opacities[s], records[entry])


@kernel
def gather(starts, ends, members, records, totals):
    """Adds the records of each splat's entries to `totals` m 10."""
    for tile in range(len(ends)):
        for entry in range(starts[tile], ends[tile]):
            s = members[entry]
            for k in range(RECORD):
                totals[s, k] += records[entry, k]
