"""Splats to ellipses in machine code, and gradients back; `rasterize` and `fit` call it.

`GRADIENTS` columns stand for all that a fit changes, in its order.
"""

import math

from mimic3d.rendering.fused.numba_compile import compiled, kernel

GRADIENTS = 13  # centre 3, logarithms of scales 3, turn about own axes 3, logit 1, colour 3


@compiled
def camera_axes(center, rotation):
    """Place in the camera's axes; `center` is relative to it, `rotation` its axes as columns."""
    x = center[0] * rotation[0, 0] + center[1] * rotation[1, 0] + center[2] * rotation[2, 0]
    y = center[0] * rotation[0, 1] + center[1] * rotation[1, 1] + center[2] * rotation[2, 1]
    z = center[0] * rotation[0, 2] + center[1] * rotation[1, 2] + center[2] * rotation[2, 2]
    return x, y, z


@compiled
def projection_slopes(x, y, z, rotation, matrix, tangent_limits):
    """Gradients in the world of a projected place x and y (pixels), three numbers each.

    `x` and `y` are over `z`; they are held within the limits, where the projection is linear.
    """
    fx, skew, fy = matrix[0, 0], matrix[0, 1], matrix[1, 1]
    x = min(max(x, -tangent_limits[0]), tangent_limits[0])
    y = min(max(y, -tangent_limits[1]), tangent_limits[1])
    a, b, d = fx / z, skew / z, -(fx * x + skew * y) / z  # rows of the Jacobian: a b d, 0 e f
    e, f = fy / z, -fy * y / z
    return (
        a * rotation[0, 0] + b * rotation[0, 1] + d * rotation[0, 2],
        a * rotation[1, 0] + b * rotation[1, 1] + d * rotation[1, 2],
        a * rotation[2, 0] + b * rotation[2, 1] + d * rotation[2, 2],
        e * rotation[0, 1] + f * rotation[0, 2],
        e * rotation[1, 1] + f * rotation[1, 2],
        e * rotation[2, 1] + f * rotation[2, 2],
    )


@compiled
def rotation_matrix(q):
    """Nine numbers, row by row, of a unit quaternion w, x, y, z."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    return (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip


@compiled
def along_axes(axes, scales, u0, u1, u2):
    """A direction of the world along a splat's axes, in standard deviations."""
    return (
        scales[0] * (axes[0] * u0 + axes[3] * u1 + axes[6] * u2),
        scales[1] * (axes[1] * u0 + axes[4] * u1 + axes[7] * u2),
        scales[2] * (axes[2] * u0 + axes[5] * u1 + axes[8] * u2),
    )


@kernel
def project(
    centers, rotations, scales, position, rotation, matrix, tangent_limits, low_pass, nearest,
    ellipses,
):  # fmt: skip
    """Fills `ellipses` m 6: place x y (pixels), inverse covariance xx xy yy, z-depth.

    `position` and `rotation` are the camera's, its axes as columns; `matrix` 3 3 its intrinsics in
    pixels. Places of splats nearer than `nearest` are nan.
    """
    for i in range(len(centers)):
        x, y, z = camera_axes(centers[i] - position, rotation)
        ellipses[i, 5] = z
        if z < nearest:
            ellipses[i, 0] = math.nan
            continue
        x, y = x / z, y / z
        ellipses[i, 0] = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] - 0.5
        ellipses[i, 1] = matrix[1, 1] * y + matrix[1, 2] - 0.5
        u0, u1, u2, v0, v1, v2 = projection_slopes(x, y, z, rotation, matrix, tangent_limits)
        axes = rotation_matrix(rotations[i])
        p0, p1, p2 = along_axes(axes, scales[i], u0, u1, u2)
        q0, q1, q2 = along_axes(axes, scales[i], v0, v1, v2)
        xx = p0 * p0 + p1 * p1 + p2 * p2 + low_pass
        xy = p0 * q0 + p1 * q1 + p2 * q2
        yy = q0 * q0 + q1 * q1 + q2 * q2 + low_pass
        determinant = xx * yy - xy * xy
        ellipses[i, 2], ellipses[i, 3] = yy / determinant, -xy / determinant
        ellipses[i, 4] = xx / determinant


@kernel
def unproject(
    centers, rotations, scales, position, rotation, matrix, tangent_limits, nearest, ellipses,
    by_ellipse, gradients,
):  # fmt: skip
    """Adds to `gradients` m 13, columns 0 to 8, those of a number by its gradients by ellipses.

    `by_ellipse` m 5: by place and inverse covariance, whose xy stands for both of its entries. How
    the shape of an ellipse changes with its place is left out: it is thousands of times smaller.
    """
    for i in range(len(centers)):
        g = by_ellipse[i]
        x, y, z = camera_axes(centers[i] - position, rotation)
        if z < nearest or (g[2] == 0 and g[4] == 0 and g[0] == 0 and g[1] == 0):
            continue
        u0, u1, u2, v0, v1, v2 = projection_slopes(
            x / z, y / z, z, rotation, matrix, tangent_limits
        )
        gradients[i, 0] += g[0] * u0 + g[1] * v0
        gradients[i, 1] += g[0] * u1 + g[1] * v1
        gradients[i, 2] += g[0] * u2 + g[1] * v2
        axes = rotation_matrix(rotations[i])
        p0, p1, p2 = along_axes(axes, scales[i], u0, u1, u2)
        q0, q1, q2 = along_axes(axes, scales[i], v0, v1, v2)
        xx, xy, yy = ellipses[i, 2], ellipses[i, 3], ellipses[i, 4]
        h, m, k = g[2], g[3] / 2, g[4]  # by the covariance: minus the inverse on both sides
        a, b = -(xx * h + xy * m), -(xx * m + xy * k)
        c, d = -(xy * h + yy * m), -(xy * m + yy * k)
        e, f, j = a * xx + b * xy, a * xy + b * yy, c * xy + d * yy
        s00 = p0 * (e * p0 + 2 * f * q0) + j * q0 * q0
        s11 = p1 * (e * p1 + 2 * f * q1) + j * q1 * q1
        s22 = p2 * (e * p2 + 2 * f * q2) + j * q2 * q2
        s01 = e * p0 * p1 + f * (p0 * q1 + q0 * p1) + j * q0 * q1
        s02 = e * p0 * p2 + f * (p0 * q2 + q0 * p2) + j * q0 * q2
        s12 = e * p1 * p2 + f * (p1 * q2 + q1 * p2) + j * q1 * q2
        gradients[i, 3] += 2 * s00
        gradients[i, 4] += 2 * s11
        gradients[i, 5] += 2 * s22
        t0, t1, t2 = scales[i, 0], scales[i, 1], scales[i, 2]
        gradients[i, 6] += 2 * s12 * (t1 / t2 - t2 / t1)
        gradients[i, 7] += 2 * s02 * (t2 / t0 - t0 / t2)
        gradients[i, 8] += 2 * s01 * (t0 / t1 - t1 / t0)
