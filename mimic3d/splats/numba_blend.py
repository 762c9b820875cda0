"""Loops over splats and pixels in machine code; `rasterize` calls them.

The i-th entry says that splat `members[i]` covers pixel `pixels[i]` and has there the share
`falloffs[i]` of its opacity; entries of a pixel come front to back.
"""

import math

from mimic3d.rendering.fused.numba_compile import kernel

SMALLEST_ALPHA = 1 / 255  # 3D Gaussian Splatting; less changes no pixel of 8 bits


@kernel
def project(centers, covariances, rotation, matrix, tangent_limits, low_pass, nearest, ellipses):
    """Fills `ellipses` m 6: place x y (pixels), inverse covariance xx xy yy, z-depth.

    `centers` m 3 are relative to the camera, `rotation` its axes as columns, `matrix` 3 3 its
    intrinsics in pixels. Places of splats nearer than `nearest` are nan.
    """
    fx, skew, cx, fy, cy = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[1, 1], matrix[1, 2]
    for i in range(len(centers)):
        c, s = centers[i], covariances[i]
        x = c[0] * rotation[0, 0] + c[1] * rotation[1, 0] + c[2] * rotation[2, 0]
        y = c[0] * rotation[0, 1] + c[1] * rotation[1, 1] + c[2] * rotation[2, 1]
        z = c[0] * rotation[0, 2] + c[1] * rotation[1, 2] + c[2] * rotation[2, 2]
        ellipses[i, 5] = z
        if z < nearest:
            ellipses[i, 0] = math.nan
            continue
        x, y = x / z, y / z
        ellipses[i, 0], ellipses[i, 1] = fx * x + skew * y + cx - 0.5, fy * y + cy - 0.5
        x = min(max(x, -tangent_limits[0]), tangent_limits[0])
        y = min(max(y, -tangent_limits[1]), tangent_limits[1])
        a, b, d = fx / z, skew / z, -(fx * x + skew * y) / z  # rows of the Jacobian: a b d, 0 e f
        e, f = fy / z, -fy * y / z
        u0 = a * rotation[0, 0] + b * rotation[0, 1] + d * rotation[0, 2]
        u1 = a * rotation[1, 0] + b * rotation[1, 1] + d * rotation[1, 2]
        u2 = a * rotation[2, 0] + b * rotation[2, 1] + d * rotation[2, 2]
        v0 = e * rotation[0, 1] + f * rotation[0, 2]
        v1 = e * rotation[1, 1] + f * rotation[1, 2]
        v2 = e * rotation[2, 1] + f * rotation[2, 2]
        w0 = s[0, 0] * u0 + s[0, 1] * u1 + s[0, 2] * u2
        w1 = s[1, 0] * u0 + s[1, 1] * u1 + s[1, 2] * u2
        w2 = s[2, 0] * u0 + s[2, 1] * u1 + s[2, 2] * u2
        q0 = s[0, 0] * v0 + s[0, 1] * v1 + s[0, 2] * v2
        q1 = s[1, 0] * v0 + s[1, 1] * v1 + s[1, 2] * v2
        q2 = s[2, 0] * v0 + s[2, 1] * v1 + s[2, 2] * v2
        xx = u0 * w0 + u1 * w1 + u2 * w2 + low_pass
        xy = v0 * w0 + v1 * w1 + v2 * w2
        yy = v0 * q0 + v1 * q1 + v2 * q2 + low_pass
        determinant = xx * yy - xy * xy
        ellipses[i, 2], ellipses[i, 3] = yy / determinant, -xy / determinant
        ellipses[i, 4] = xx / determinant


@kernel
def list_entries(order, ellipses, opacities, least_light, light, pixels, members, falloffs):
    """Fills the arrays of entries as far as they go; returns the number of entries.

    `order` are splats front to back, `light` h w all ones; a pixel takes no more splats when less
    than `least_light` is left of it.
    """
    height, width = light.shape
    num = 0
    for splat in order:
        x, y = ellipses[splat, 0], ellipses[splat, 1]
        xx, xy, yy = ellipses[splat, 2], ellipses[splat, 3], ellipses[splat, 4]
        opacity = opacities[splat]
        if not (x > -1e6 and x < 1e6 and y > -1e6 and y < 1e6) or opacity <= SMALLEST_ALPHA:
            continue
        size = 2 * math.log(opacity / SMALLEST_ALPHA) / (xx * yy - xy * xy)
        reach_x, reach_y = math.sqrt(size * yy), math.sqrt(size * xx)
        left, right = max(0, math.ceil(x - reach_x)), min(width - 1, math.floor(x + reach_x))
        top, bottom = max(0, math.ceil(y - reach_y)), min(height - 1, math.floor(y + reach_y))
        for row in range(top, bottom + 1):
            dy = row - y
            for column in range(left, right + 1):
                if light[row, column] < least_light:
                    continue
                dx = column - x
                falloff = math.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy)
                alpha = opacity * falloff
                if alpha < SMALLEST_ALPHA:
                    continue
                if num < len(pixels):
                    pixels[num], members[num] = row * width + column, splat
                    falloffs[num] = falloff
                num += 1
                light[row, column] *= 1 - alpha
    return num


@kernel
def composite(pixels, members, falloffs, opacities, values, light, image):
    """Blends `values` m k into `image` p k, all zeros; `light` p, all ones, is what passes."""
    for i in range(len(pixels)):
        pixel, splat = pixels[i], members[i]
        alpha = opacities[splat] * falloffs[i]
        for k in range(values.shape[1]):
            image[pixel, k] += light[pixel] * alpha * values[splat, k]
        light[pixel] *= 1 - alpha


@kernel
def differentiate(
    pixels, members, falloffs, opacities, values, light, behind, gradient, by_opacity, by_value,
    weights,
):  # fmt: skip
    """Adds the gradients of a sum over pixels to those by opacity m and by value m k.

    From back to front: `light` p is what passes all splats, `behind` p k what lies behind them,
    `gradient` p k that of the sum by the image. Adds to `weights` m the share of each splat.
    """
    for reverse in range(len(pixels)):
        i = len(pixels) - 1 - reverse
        pixel, splat = pixels[i], members[i]
        alpha = opacities[splat] * falloffs[i]
        light[pixel] /= 1 - alpha
        share = light[pixel] * alpha
        weights[splat] += share
        for k in range(values.shape[1]):
            change = values[splat, k] - behind[pixel, k]
            by_opacity[splat] += gradient[pixel, k] * change * light[pixel] * falloffs[i]
            by_value[splat, k] += gradient[pixel, k] * share
            behind[pixel, k] += alpha * change
