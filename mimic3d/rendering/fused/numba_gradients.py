"""Gradients of a block of points: of the decoder's weights, of features, and of planes."""

from mimic3d.rendering.fused.numba_compile import compiled, kernel
from mimic3d.rendering.fused.numba_maths import one_minus_exp_neg
from mimic3d.rendering.fused.numba_memory import (
    load_block,
    load_input,
    load_long,
    load_sum,
    store_block,
    store_sum,
)
from mimic3d.rendering.fused.numba_points import (
    BYTES,
    CELL_ROWS,
    LANES,
    corner,
    decode,
    locate,
    matmul,
    parts,
    quad,
)


@compiled
def accumulate(a, b, total, inner, width):
    """Adds a^T @ b of sixteen rows to total."""
    width = (width >> 4) << 4
    for s in range(0, LANES, 4):
        b0 = b + BYTES * width * s
        a0 = a + BYTES * inner * s
        a1, a2, a3 = a0 + BYTES * inner, a0 + 2 * BYTES * inner, a0 + 3 * BYTES * inner
        for c in range(0, inner, 4):
            x0, x1, x2, x3 = quad(a0, c)
            y0, y1, y2, y3 = quad(a1, c)
            z0, z1, z2, z3 = quad(a2, c)
            t0, t1, t2, t3 = quad(a3, c)
            g = total + BYTES * width * c
            for j in range(width):
                p, q = load_block(b0, j), load_block(b0, width + j)
                r, u = load_block(b0, 2 * width + j), load_block(b0, 3 * width + j)
                g0 = load_sum(g, j) + (x0 * p + y0 * q + z0 * r + t0 * u)
                g1 = load_sum(g, width + j) + (x1 * p + y1 * q + z1 * r + t1 * u)
                g2 = load_sum(g, 2 * width + j) + (x2 * p + y2 * q + z2 * r + t2 * u)
                g3 = load_sum(g, 3 * width + j) + (x3 * p + y3 * q + z3 * r + t3 * u)
                store_sum(g, j, g0)
                store_sum(g, width + j, g1)
                store_sum(g, 2 * width + j, g2)
                store_sum(g, 3 * width + j, g3)


@compiled
def add_rows(a, total, width):
    """Adds the sum of sixteen rows to total."""
    width = (width >> 2) << 2
    for s in range(LANES):
        for j in range(width):
            store_sum(total, j, load_sum(total, j) + load_block(a, s * width + j))


@compiled
def decoder_gradients(field, image, block, rows, sums):
    """Gradient of features into `rows` (16 x channels), and of the weights into `sums`.

    The block holds positions and the gradient of its outputs. `sums` are hidden weight (channels x
    hidden), its bias, out weight (inner x hidden) and its bias.
    """
    _, features, hidden, slopes, outputs = parts(field, block)
    width, inner = field.hidden, field.inner
    decode(field, image, block)
    bias = sums + BYTES * field.channels * width
    out_weight = bias + BYTES * width
    accumulate(outputs, hidden, out_weight, inner, width)
    add_rows(outputs, out_weight + BYTES * inner * width, inner)
    matmul(outputs, field.out_weight, slopes, inner, width, 0)
    for j in range((LANES * width >> 4) << 4):  # the slope of softplus is 1 - exp(-softplus)
        slope = one_minus_exp_neg(load_block(hidden, j))
        store_block(slopes, j, load_block(slopes, j) * slope)
    add_rows(slopes, bias, width)
    accumulate(features, slopes, sums, field.channels, width)
    matmul(slopes, field.hidden_weight_t, features, width, field.channels, 0)
    for j in range((LANES * field.channels >> 4) << 4):
        store_block(rows, j, load_block(features, j))


@kernel
def scatter(field, block, positions, rows, num_blocks, level, plane, total):
    """Adds gradients of features to the gradient of one plane, point by point in order.

    Args:
        field: sizes and axes.
        block: address of scratch memory.
        positions: address of num_blocks x 3 x 16 floats.
        rows: address of num_blocks x 16 x channels floats.
        num_blocks: how many blocks there are.
        level: of the plane.
        plane: 0, 1 or 2.
        total: address of the three planes' sums, laid out as the tables.
    """
    channels = (field.channels >> 4) << 4
    cells = parts(field, block)[0]
    cell = cells + BYTES * LANES * CELL_ROWS * (level * 3 + plane)
    down = channels * (load_long(field.tables, level * 4 + 2) + 3)
    for index in range(num_blocks):
        for j in range(3 * LANES):
            store_block(block, j, load_input(positions, index * 3 * LANES + j))
        locate(field, block, cells, level, plane)
        for lane in range(LANES):
            row = rows + BYTES * channels * (index * LANES + lane)
            p, a, b, c, d = corner(cell, lane, total, channels)
            for j in range(channels):
                g = load_input(row, j)
                store_sum(p, j, load_sum(p, j) + a * g)
                store_sum(p, channels + j, load_sum(p, channels + j) + b * g)
            for j in range(channels):
                g = load_input(row, j)
                store_sum(p, down + j, load_sum(p, down + j) + c * g)
                x = load_sum(p, down + channels + j) + d * g
                store_sum(p, down + channels + j, x)
