"""Planes to tables and back on a CPU: a transposition that torch takes ten times as long for."""

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.rendering.fused.layout import BORDER, BORDER_BEFORE
from mimic3d.rendering.fused.numba_compile import compiled, kernel
from mimic3d.rendering.fused.numba_maths import ZERO
from mimic3d.rendering.fused.numba_memory import load_input, load_sum, store_input, store_sum
from mimic3d.rendering.fused.numba_points import BYTES
from mimic3d.rendering.fused.threads import for_each

PIXELS = 16  # of a row at once: a line of the cache


@kernel
def fill_table(plane, table, c, h, w, channels):
    """One table of one plane: neighbouring channels, a border of zeros."""
    pitch = (w + BORDER) * channels
    for y in range(h + BORDER):
        row = table + BYTES * pitch * y
        inside = 0 < y <= h
        for j in range(channels if inside else pitch):
            store_sum(row, j, ZERO)
        if inside:
            fill_row(plane + BYTES * w * (y - 1), row + BYTES * channels, c, h * w, w, channels)


@compiled
def fill_row(source, target, c, pitch, w, channels):
    """One row of pixels, and the two empty texels behind it."""
    for x0 in range(0, w, PIXELS):
        stop = min(x0 + PIXELS, w)
        for k in range(c):
            for x in range(x0, stop):
                store_sum(target, x * channels + k, load_input(source, k * pitch + x))
        for x in range(x0, stop):
            for k in range(c, channels):
                store_sum(target, x * channels + k, ZERO)
    for j in range(2 * channels):
        store_sum(target, w * channels + j, ZERO)


@kernel
def read_table(table, plane, c, h, w, channels):
    """One plane of one table, without its border and padding."""
    pitch = (w + BORDER) * channels
    for y in range(h):
        row = table + BYTES * (pitch * (y + BORDER_BEFORE) + channels * BORDER_BEFORE)
        for x0 in range(0, w, PIXELS):
            stop = min(x0 + PIXELS, w)
            for k in range(c):
                for x in range(x0, stop):
                    store_input(plane, (k * h + y) * w + x, load_sum(row, x * channels + k))


def build_table(level: Float[Tensor, "n 3 c h w"], channels: int) -> Float[Tensor, "n 3 h2 w2 c2"]:
    """`layout.build_table`, quickly."""
    level = level.contiguous()
    n, _, c, h, w = level.shape
    table = torch.empty(n, 3, h + BORDER, w + BORDER, channels)
    planes, tables = level.flatten(0, 1), table.flatten(0, 1)
    for_each(
        lambda p: fill_table(planes[p].data_ptr(), tables[p].data_ptr(), c, h, w, channels),
        range(3 * n),
    )
    return table


def read_planes(table: Float[Tensor, "n 3 h2 w2 c2"], c: int) -> Float[Tensor, "n 3 c h w"]:
    """The planes in a table."""
    n, _, rows, columns, channels = table.shape
    h, w = rows - BORDER, columns - BORDER
    level = torch.empty(n, 3, c, h, w)
    planes, tables = level.flatten(0, 1), table.flatten(0, 1)
    for_each(
        lambda p: read_table(tables[p].data_ptr(), planes[p].data_ptr(), c, h, w, channels),
        range(3 * n),
    )
    return level
