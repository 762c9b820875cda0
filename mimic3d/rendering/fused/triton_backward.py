"""Gradients of planes and decoder at points on rays, in Triton; see `triton_points`.

Programs add to a plane in any order, so they add whole numbers, whose sum has no order: gradients
times a factor that keeps every sum below 2^62 (`triton_launch.fixed_point`).
"""

import triton.language as tl

from mimic3d.rendering.fused.triton_maths import kernel, softplus
from mimic3d.rendering.fused.triton_points import (
    MARGIN,
    THIRD,
    load_rays,
    pick_axis,
    place,
    sample_features,
)


@kernel
def add_rounded(address, value, mask):
    """Adds the nearest whole number."""
    whole = (value + tl.where(value >= 0.0, 0.5, -0.5)).to(tl.int64)
    tl.atomic_add(address, whole, mask=mask, sem="relaxed")


@kernel
def scatter(sums, column, x, row, y, pitch, channel, gradient, mask):
    """Gradient of `gather` for its four texels."""
    at = ((row * pitch + column) * channel.shape[0])[:, None] + channel[None, :]
    down = pitch * channel.shape[0]
    right = channel.shape[0]
    left, above = 1.0 - x, 1.0 - y
    add_rounded(sums + at, gradient * (left * above)[:, None], mask)
    add_rounded(sums + at + right, gradient * (x * above)[:, None], mask)
    add_rounded(sums + at + down, gradient * (left * y)[:, None], mask)
    add_rounded(sums + at + down + right, gradient * (x * y)[:, None], mask)


@kernel
def scatter_levels(
    sums, sizes, x, y, z, channel, gradient, mask, LEVELS: tl.constexpr, AXES: tl.constexpr
):
    """Gradient of `sample_features` for all planes of all levels."""
    for level in tl.static_range(LEVELS):  # pyright: ignore[reportGeneralTypeIssues]
        height, width = sizes[3 * level], sizes[3 * level + 1]
        pitch = width + MARGIN
        plane = pitch * (height + MARGIN) * channel.shape[0]
        for p in tl.static_range(3):  # pyright: ignore[reportGeneralTypeIssues]
            column, right = place(pick_axis(x, y, z, AXES, 2 * p), width)
            row, down = place(pick_axis(x, y, z, AXES, 2 * p + 1), height)
            scatter(
                sums[level] + p * plane, column, right, row, down, pitch, channel, gradient, mask
            )


@kernel
def decode_gradients(
    tables, sizes, hidden_weight, hidden_bias, out_weight, origins, directions, depths,
    raw_gradients, feature_gradients, hidden_weight_sums, hidden_bias_sums, out_weight_sums,
    out_bias_sums, rays, samples, scale,
    LEVELS: tl.constexpr, AXES: tl.constexpr, CHANNELS: tl.constexpr, HIDDEN: tl.constexpr,
    OUTPUTS: tl.constexpr, INNER: tl.constexpr, RAYS: tl.constexpr, BLOCK: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of `decode_points` for features (s r c) and decoder, of one image.

    Every program has its own rows of the decoder's sums.
    """
    row = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    is_ray = row < rays
    channel, unit, output = tl.arange(0, CHANNELS), tl.arange(0, HIDDEN), tl.arange(0, INNER)
    ox, oy, oz, dx, dy, dz = load_rays(origins, directions, row, is_ray)
    first_at = channel[:, None] * HIDDEN + unit[None, :]
    second_at = unit[:, None] * INNER + output[None, :]
    first_bias = tl.load(hidden_bias + unit)
    first_sum = tl.zeros([CHANNELS, HIDDEN], tl.float32)
    second_sum = tl.zeros([HIDDEN, INNER], tl.float32)
    first_bias_sum, second_bias_sum = tl.zeros([HIDDEN], tl.float32), tl.zeros([INNER], tl.float32)
    for step in range(BLOCK):
        sample = tl.program_id(1) * BLOCK + step
        is_here = is_ray & (sample < samples)
        at = sample.to(tl.int64) * rays + row
        depth = tl.load(depths + at, mask=is_here, other=0.0)
        features = sample_features(
            tables, sizes, 0, (ox + depth * dx) * scale, (oy + depth * dy) * scale,
            (oz + depth * dz) * scale, channel, LEVELS, AXES, False,
        ) * THIRD  # fmt: skip
        first_weight = tl.load(hidden_weight + first_at)  # here: kept, they fill all registers
        second_weight = tl.load(out_weight + second_at)
        before = tl.dot(features, first_weight, input_precision=PRECISION) + first_bias[None, :]
        given = tl.load(
            raw_gradients + at[:, None] * OUTPUTS + output[None, :],
            mask=is_here[:, None] & (output < OUTPUTS)[None, :], other=0.0,
        )  # fmt: skip
        second_sum += tl.dot(tl.trans(softplus(before)), given, input_precision=PRECISION)
        second_bias_sum += tl.sum(given, 0)
        slopes = tl.dot(given, tl.trans(second_weight), input_precision=PRECISION)
        slopes *= tl.sigmoid(before)
        first_sum += tl.dot(tl.trans(features), slopes, input_precision=PRECISION)
        first_bias_sum += tl.sum(slopes, 0)
        gradient = tl.dot(slopes, tl.trans(first_weight), input_precision=PRECISION) * THIRD
        tl.store(
            feature_gradients + at[:, None] * CHANNELS + channel[None, :], gradient,
            mask=is_here[:, None],
        )  # fmt: skip
    program = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    tl.store(hidden_weight_sums + program * (CHANNELS * HIDDEN) + first_at, first_sum)
    tl.store(out_weight_sums + program * (HIDDEN * INNER) + second_at, second_sum)
    tl.store(hidden_bias_sums + program * HIDDEN + unit, first_bias_sum)
    tl.store(out_bias_sums + program * INNER + output, second_bias_sum)


@kernel
def scatter_gradients(
    sums, sizes, origins, directions, depths, feature_gradients, factor, rays, scale,
    LEVELS: tl.constexpr, AXES: tl.constexpr, CHANNELS: tl.constexpr, RAYS: tl.constexpr,
):  # fmt: skip
    """Adds gradients of features (s r c) to their texels, one sample of a tile per program.

    `sums` are int64, one per level, laid out as its table; `factor` is the address of the number
    by which they are too large.
    """
    row = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    is_ray = row < rays
    channel = tl.arange(0, CHANNELS)
    ox, oy, oz, dx, dy, dz = load_rays(origins, directions, row, is_ray)
    at = tl.program_id(1).to(tl.int64) * rays + row
    depth = tl.load(depths + at, mask=is_ray, other=0.0)
    mask = tl.broadcast_to(is_ray[:, None], [RAYS, CHANNELS])
    gradient = tl.load(
        feature_gradients + at[:, None] * CHANNELS + channel[None, :], mask=mask, other=0.0
    )
    x, y, z = (ox + depth * dx) * scale, (oy + depth * dy) * scale, (oz + depth * dz) * scale
    gradient *= tl.load(factor)
    scatter_levels(sums, sizes, x, y, z, channel, gradient, mask, LEVELS, AXES)
