"""Triangles in pixels by machine code: the nearest one of each, and where in it the pixel lies."""

import math

from mimic3d.rendering.fused.numba_compile import compiled, kernel


@compiled
def edge(x0, y0, x1, y1, x, y):
    """Twice the signed area of a triangle."""
    return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)


@kernel
def cover(corners, faces, nearest, depths, numbers, weights):
    """Fills, of the nearest triangle in each pixel, `numbers` h w and `weights` h w 3 of corners.

    `corners` v 3: place x y (pixel centres are whole numbers) and z-depth; triangles with a corner
    nearer than `nearest` are left out. `depths` h w starts as infinity and ends as z-depths,
    `numbers` starts as -1. Weights are those in space.
    """
    height, width = numbers.shape
    for number in range(len(faces)):
        a, b, c = corners[faces[number, 0]], corners[faces[number, 1]], corners[faces[number, 2]]
        if not (a[2] > nearest and b[2] > nearest and c[2] > nearest):
            continue
        area = edge(a[0], a[1], b[0], b[1], c[0], c[1])
        if area == 0:
            continue
        left = max(0, math.ceil(min(a[0], b[0], c[0])))
        right = min(width - 1, math.floor(max(a[0], b[0], c[0])))
        top = max(0, math.ceil(min(a[1], b[1], c[1])))
        bottom = min(height - 1, math.floor(max(a[1], b[1], c[1])))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                p = edge(b[0], b[1], c[0], c[1], column, row) / area
                q = edge(c[0], c[1], a[0], a[1], column, row) / area
                r = 1 - p - q
                if p < 0 or q < 0 or r < 0:
                    continue
                p, q, r = p / a[2], q / b[2], r / c[2]
                depth = 1 / (p + q + r)
                if depth < depths[row, column]:
                    depths[row, column], numbers[row, column] = depth, number
                    weights[row, column, 0] = p * depth
                    weights[row, column, 1] = q * depth
                    weights[row, column, 2] = r * depth
