"""Sixteen points at a time: plane features, the decoder, and the gradients of both.

A block of scratch memory holds, in floats (`block_floats`):

    positions   3 x 16   coordinates in [-1, 1]
    cells       levels x 3 x 5 x 16   texel above and left, and the weights of its four corners
    features    16 x channels
    hidden      16 x hidden   after softplus
    slopes      16 x hidden   gradient of the hidden layer, after and then before softplus
    outputs     16 x inner    logit and colours before the sigmoid, or their gradient

`channels` and `hidden` are padded to multiples of 16, `inner` to one of 4.
"""

from typing import NamedTuple

import numpy as np

from mimic3d.rendering.fused.numba_compile import compiled, exact, inlined, reduction
from mimic3d.rendering.fused.numba_maths import (
    HALF,
    ONE,
    ZERO,
    softplus,
)
from mimic3d.rendering.fused.numba_memory import (
    load_block,
    load_input,
    load_long,
    store_block,
    to_float,
    truncate,
)

LANES = 16
THIRD = np.float32(1 / 3)  # mean over three planes
CELL_ROWS = 5
BYTES = 4  # of a float


class Field(NamedTuple):
    """Planes and decoder in memory: all that turns points into densities and colours."""

    lanes: int
    """16, as a number that the compiler does not know: it would unroll loops of a constant length
    before it could turn them into vectors."""
    levels: int
    """Number of levels of planes."""
    tables: int
    """Address of four int64 per level: address, height, width, floats of one image (0: shared)."""
    axes: int
    """Address of six int64: axis of space along columns and rows of each plane."""
    channels: int
    hidden: int
    outputs: int
    """Number of outputs: 1 + colours."""
    inner: int
    """`outputs`, padded to a multiple of 4."""
    hidden_weight: int
    """Address of channels x hidden floats."""
    hidden_bias: int
    out_weight: int
    """Address of inner x hidden floats."""
    out_bias: int
    hidden_weight_t: int
    """Address of hidden x channels floats; gradients need it."""


def block_floats(levels: int, channels: int, hidden: int, inner: int) -> int:
    """Floats of scratch memory that one block takes."""
    return LANES * (3 + levels * 3 * CELL_ROWS + channels + 2 * hidden + inner)


@compiled
def parts(field, block):
    """Addresses of cells, features, hidden, slopes and outputs."""
    cells = block + BYTES * LANES * 3
    features = cells + BYTES * LANES * CELL_ROWS * 3 * field.levels
    hidden = features + BYTES * LANES * field.channels
    slopes = hidden + BYTES * LANES * field.hidden
    return cells, features, hidden, slopes, slopes + BYTES * LANES * field.hidden


@inlined
def place(x, size):
    """Coordinate in [-1, 1] to texels of a plane with a border of zeros: 1 before, 2 after.

    In the order of `grid_sample`, so that both round alike: half a millionth of a coordinate is a
    visible part of a texel.
    """
    return min(max((x + ONE) * (size * HALF) + HALF, ZERO), size + ONE)


@exact
def locate(field, block, cells, level, plane):
    """Cells of the block's positions on one plane."""
    lanes = (field.lanes >> 4) << 4  # tells LLVM that no remainder is left
    height = np.float32(load_long(field.tables, level * 4 + 1))
    width = np.float32(load_long(field.tables, level * 4 + 2))
    u = block + BYTES * LANES * load_long(field.axes, plane * 2)
    v = block + BYTES * LANES * load_long(field.axes, plane * 2 + 1)
    cell = cells + BYTES * LANES * CELL_ROWS * (level * 3 + plane)
    pitch = width + np.float32(3)
    first = np.float32(plane) * pitch * (height + np.float32(3))
    for i in range(lanes):
        x = place(load_block(u, i), width)
        y = place(load_block(v, i), height)
        column = to_float(truncate(x))
        row = to_float(truncate(y))
        x -= column
        y -= row
        store_block(cell, i, row * pitch + column + first)  # exact below 2^24 texels
        store_block(cell, lanes + i, (ONE - x) * (ONE - y) * THIRD)
        store_block(cell, 2 * lanes + i, x * (ONE - y) * THIRD)
        store_block(cell, 3 * lanes + i, (ONE - x) * y * THIRD)
        store_block(cell, 4 * lanes + i, x * y * THIRD)


@inlined
def corner(cell, lane, table, channels):
    """Address of the texel above and left, and the four weights."""
    texel = np.int64(load_block(cell, lane))
    return (
        table + BYTES * channels * texel,
        load_block(cell, LANES + lane),
        load_block(cell, 2 * LANES + lane),
        load_block(cell, 3 * LANES + lane),
        load_block(cell, 4 * LANES + lane),
    )


@compiled
def gather(field, image, cells, features):
    """Features of sixteen points: mean over planes, sum over levels."""
    channels = (field.channels >> 4) << 4
    for lane in range(LANES):
        f = features + BYTES * channels * lane
        for level in range(field.levels):
            table = load_long(field.tables, level * 4)
            table += BYTES * image * load_long(field.tables, level * 4 + 3)
            cell = cells + BYTES * LANES * CELL_ROWS * 3 * level
            down = channels * (load_long(field.tables, level * 4 + 2) + 3)
            p, pa, pb, pc, pd = corner(cell, lane, table, channels)
            cell += BYTES * LANES * CELL_ROWS
            q, qa, qb, qc, qd = corner(cell, lane, table, channels)
            cell += BYTES * LANES * CELL_ROWS
            r, ra, rb, rc, rd = corner(cell, lane, table, channels)
            right, both = channels, down + channels
            for j in range(channels):
                x = pa * load_input(p, j) + pb * load_input(p, right + j)
                x += pc * load_input(p, down + j) + pd * load_input(p, both + j)
                y = qa * load_input(q, j) + qb * load_input(q, right + j)
                y += qc * load_input(q, down + j) + qd * load_input(q, both + j)
                z = ra * load_input(r, j) + rb * load_input(r, right + j)
                z += rc * load_input(r, down + j) + rd * load_input(r, both + j)
                x += y + z
                if level > 0:
                    x += load_block(f, j)
                store_block(f, j, x)


@compiled
def matmul(a, weight, out, inner, width, bias):
    """Rows out = a @ weight + bias, of sixteen rows; without a bias (0) zeros."""
    width = (width >> 4) << 4
    for s in range(LANES):
        for j in range(width):
            store_block(out, s * width + j, load_input(bias, j) if bias != 0 else ZERO)
    for s in range(0, LANES, 4):
        o = out + BYTES * width * s
        r0 = a + BYTES * inner * s
        r1, r2, r3 = r0 + BYTES * inner, r0 + 2 * BYTES * inner, r0 + 3 * BYTES * inner
        for c in range(0, inner, 4):
            a0, a1, a2, a3 = quad(r0, c)
            b0, b1, b2, b3 = quad(r1, c)
            c0, c1, c2, c3 = quad(r2, c)
            d0, d1, d2, d3 = quad(r3, c)
            w = weight + BYTES * width * c
            for j in range(width):
                w0, w1 = load_input(w, j), load_input(w, width + j)
                w2, w3 = load_input(w, 2 * width + j), load_input(w, 3 * width + j)
                x = load_block(o, j) + a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                y = load_block(o, width + j) + b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                z = load_block(o, 2 * width + j) + c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                t = load_block(o, 3 * width + j) + d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
                store_block(o, j, x)
                store_block(o, width + j, y)
                store_block(o, 2 * width + j, z)
                store_block(o, 3 * width + j, t)


@inlined
def quad(row, c):
    """Four neighbouring floats."""
    return (
        load_block(row, c),
        load_block(row, c + 1),
        load_block(row, c + 2),
        load_block(row, c + 3),
    )


@compiled
def activate(hidden, count):
    """Softplus in place."""
    count = (count >> 4) << 4
    for j in range(count):
        store_block(hidden, j, softplus(load_block(hidden, j)))


@reduction
def project(field, hidden, outputs):
    """Logit and colours before the sigmoid: outputs = hidden @ out_weight^T + bias."""
    width = (field.hidden >> 4) << 4
    for s in range(LANES):
        h = hidden + BYTES * width * s
        for k in range(0, field.inner, 4):
            w = field.out_weight + BYTES * width * k
            x, y, z, t = ZERO, ZERO, ZERO, ZERO
            for j in range(width):
                v = load_block(h, j)
                x += v * load_input(w, j)
                y += v * load_input(w, width + j)
                z += v * load_input(w, 2 * width + j)
                t += v * load_input(w, 3 * width + j)
            o = s * field.inner + k
            store_block(outputs, o, x + load_input(field.out_bias, k))
            store_block(outputs, o + 1, y + load_input(field.out_bias, k + 1))
            store_block(outputs, o + 2, z + load_input(field.out_bias, k + 2))
            store_block(outputs, o + 3, t + load_input(field.out_bias, k + 3))


@compiled
def decode(field, image, block):
    """Features and hidden layer of the points whose positions are in the block."""
    cells, features, hidden, _, _ = parts(field, block)
    for level in range(field.levels):
        for plane in range(3):
            locate(field, block, cells, level, plane)
    gather(field, image, cells, features)
    matmul(features, field.hidden_weight, hidden, field.channels, field.hidden, field.hidden_bias)
    activate(hidden, LANES * field.hidden)
