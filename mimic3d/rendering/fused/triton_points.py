"""Points on rays to plane features and raw outputs of the decoder, in Triton.

A program takes a tile of rays and a block of samples, one sample of all its rays at a time. Planes
lie in tables (`layout.build_table`). `tables` are their addresses, one per level; `sizes` are three
numbers per level: height and width of its planes, and values from one image to the next (0: all
images share one). `AXES` are the six numbers of `layout.axis_numbers` as digits.
"""

import triton.language as tl

from mimic3d.rendering.fused.layout import BORDER
from mimic3d.rendering.fused.triton_maths import kernel, softplus, softplus_fast

MARGIN = tl.constexpr(BORDER)
THIRD = tl.constexpr(1 / 3)  # mean over three planes


@kernel
def pick_axis(x, y, z, AXES: tl.constexpr, POSITION: tl.constexpr):
    """Coordinate along the columns or rows of a plane: digit number POSITION of AXES."""
    axis: tl.constexpr = AXES // 10 ** (5 - POSITION) % 10
    if axis == 0:
        return x
    elif axis == 1:
        return y
    else:
        return z


@kernel
def place(x, size):
    """Coordinate in [-1, 1] to a texel of a plane with its border, and the place behind it.

    In the order of `grid_sample`, so that both round alike.
    """
    position = (x + 1.0) * (size * 0.5) + 0.5
    position = tl.minimum(tl.maximum(position, 0.0), size + 1.0)
    texel = position.to(tl.int32)
    return texel, position - texel.to(tl.float32)


@kernel
def gather(table, column, x, row, y, pitch, channel):
    """Bilinear mean of four texels; one row of channels per point."""
    at = ((row * pitch + column) * channel.shape[0])[:, None] + channel[None, :]
    down = pitch * channel.shape[0]
    right = channel.shape[0]
    a, b = tl.load(table + at), tl.load(table + at + right)
    c, d = tl.load(table + at + down), tl.load(table + at + down + right)
    x, y = x[:, None], y[:, None]
    top, bottom = tl.fma(x, b - a, a), tl.fma(x, d - c, c)
    return tl.fma(y, bottom - top, top)


@kernel
def gather_half(table, column, x, row, y, pitch, channel):
    """`gather` from a table in float16, in float16."""
    at = ((row * pitch + column) * channel.shape[0])[:, None] + channel[None, :]
    down = pitch * channel.shape[0]
    right = channel.shape[0]
    a, b = tl.load(table + at), tl.load(table + at + right)
    c, d = tl.load(table + at + down), tl.load(table + at + down + right)
    left, above = 1.0 - x, 1.0 - y
    f = a * (left * above).to(tl.float16)[:, None]
    f = tl.fma(b, tl.broadcast_to((x * above).to(tl.float16)[:, None], b.shape), f)
    f = tl.fma(c, tl.broadcast_to((left * y).to(tl.float16)[:, None], c.shape), f)
    return tl.fma(d, tl.broadcast_to((x * y).to(tl.float16)[:, None], d.shape), f)


@kernel
def sample_level(table, height, width, x, y, z, channel, AXES: tl.constexpr, IS_HALF: tl.constexpr):
    """Sum over the three planes of a level at points in [-1, 1]^3."""
    pitch = width + MARGIN
    plane = pitch * (height + MARGIN) * channel.shape[0]
    features = tl.zeros([x.shape[0], channel.shape[0]], tl.float16 if IS_HALF else tl.float32)
    for p in tl.static_range(3):
        column, right = place(pick_axis(x, y, z, AXES, 2 * p), width)
        row, down = place(pick_axis(x, y, z, AXES, 2 * p + 1), height)
        if IS_HALF:
            part = gather_half(table + p * plane, column, right, row, down, pitch, channel)
        else:
            part = gather(table + p * plane, column, right, row, down, pitch, channel)
        features += part
    return features


@kernel
def sample_features(
    tables, sizes, image, x, y, z, channel,
    LEVELS: tl.constexpr, AXES: tl.constexpr, IS_HALF: tl.constexpr,
):  # fmt: skip
    """Sum over planes and levels; the mean over planes is a third of it."""
    features = tl.zeros([x.shape[0], channel.shape[0]], tl.float16 if IS_HALF else tl.float32)
    for level in tl.static_range(LEVELS):
        table = tables[level] + image * sizes[3 * level + 2]
        features += sample_level(
            table, sizes[3 * level], sizes[3 * level + 1], x, y, z, channel, AXES, IS_HALF
        )
    return features


@kernel
def load_rays(origins, directions, ray, is_ray):
    """Origins and directions: six numbers per ray."""
    ox = tl.load(origins + ray * 3, mask=is_ray, other=0.0)
    oy = tl.load(origins + ray * 3 + 1, mask=is_ray, other=0.0)
    oz = tl.load(origins + ray * 3 + 2, mask=is_ray, other=0.0)
    dx = tl.load(directions + ray * 3, mask=is_ray, other=0.0)
    dy = tl.load(directions + ray * 3 + 1, mask=is_ray, other=0.0)
    dz = tl.load(directions + ray * 3 + 2, mask=is_ray, other=0.0)
    return ox, oy, oz, dx, dy, dz


@kernel
def decode_points(
    tables, sizes, hidden_weight, hidden_bias, out_weight, out_bias, origins, directions, depths,
    raw, rays, samples, start, stop, scale,
    LEVELS: tl.constexpr, AXES: tl.constexpr, CHANNELS: tl.constexpr, HIDDEN: tl.constexpr,
    OUTPUTS: tl.constexpr, INNER: tl.constexpr, RAYS: tl.constexpr, BLOCK: tl.constexpr,
    PRECISION: tl.constexpr, IS_HALF: tl.constexpr, IS_FAST: tl.constexpr,
):  # fmt: skip
    """Logit and colours before the sigmoid of samples `start` to `stop` of all rays.

    `depths` are n s r, `raw` n s r k. Weights come as inputs x outputs, padded with zeros to
    CHANNELS x HIDDEN and HIDDEN x INNER.
    """
    image = tl.program_id(2).to(tl.int64)
    row = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    is_ray = row < rays
    channel, unit, output = tl.arange(0, CHANNELS), tl.arange(0, HIDDEN), tl.arange(0, INNER)
    ox, oy, oz, dx, dy, dz = load_rays(origins, directions, image * rays + row, is_ray)
    first_weight = tl.load(hidden_weight + channel[:, None] * HIDDEN + unit[None, :])
    second_weight = tl.load(out_weight + unit[:, None] * INNER + output[None, :])
    first_bias, second_bias = tl.load(hidden_bias + unit), tl.load(out_bias + output)
    if IS_HALF:
        first_weight, second_weight = first_weight.to(tl.float16), second_weight.to(tl.float16)
    for step in range(BLOCK):
        sample = start + tl.program_id(1) * BLOCK + step
        is_here = is_ray & (sample < stop)
        at = (image * samples + sample) * rays + row
        depth = tl.load(depths + at, mask=is_here, other=0.0)
        features = sample_features(
            tables, sizes, image, (ox + depth * dx) * scale, (oy + depth * dy) * scale,
            (oz + depth * dz) * scale, channel, LEVELS, AXES, IS_HALF,
        )  # fmt: skip
        if IS_HALF:
            before = tl.dot(features, first_weight) * THIRD + first_bias[None, :]
        else:
            before = tl.dot(features * THIRD, first_weight, input_precision=PRECISION)
            before += first_bias[None, :]
        if IS_FAST:
            hidden = softplus_fast(before)
        else:
            hidden = softplus(before)
        if IS_HALF:
            outputs = tl.dot(hidden.to(tl.float16), second_weight)
        else:
            outputs = tl.dot(hidden, second_weight, input_precision=PRECISION)
        tl.store(
            raw + at[:, None] * OUTPUTS + output[None, :], outputs + second_bias[None, :],
            mask=is_here[:, None] & (output < OUTPUTS)[None, :],
        )  # fmt: skip
