"""Kernels of gradients; torch calls them for a range of groups of one image.

Scratch memory of a group beyond that of `numba_kernels`, in rows of sixteen floats:

    intervals 3 x s   optical depth, optical depth before it, and slope of the former
    values    2 x s   loss per share: of samples by number, and in order
    slopes    s       gradients of logits
"""

import numpy as np

from mimic3d.rendering.fused.numba_compile import compiled, kernel
from mimic3d.rendering.fused.numba_gradients import decoder_gradients
from mimic3d.rendering.fused.numba_kernels import load_points, places
from mimic3d.rendering.fused.numba_maths import (
    HALF,
    ONE,
    ZERO,
    exp_neg,
    one_minus_exp_neg,
    sigmoid,
    softplus,
)
from mimic3d.rendering.fused.numba_memory import (
    load_block,
    load_input,
    load_long,
    load_ray,
    load_weight,
    store_block,
    store_ray,
    store_weight,
)
from mimic3d.rendering.fused.numba_points import LANES, parts
from mimic3d.rendering.fused.numba_rays import (
    BIAS,
    COLOR_OFFSET,
    COLOR_SCALE,
    ROW,
    load_rays,
    merge,
    share_out,
    step_to,
)


def backward_rows(samples: int) -> int:
    """Rows of scratch memory that gradients take beside those of rendering."""
    return 6 * samples


@compiled
def optical_depths(ordered, samples, march, intervals, lanes):
    """Optical depth of each interval, that before it, and its slope by the mean logit."""
    lanes = (lanes >> 4) << 4
    gain = np.float32(march.gain)
    for i in range(lanes):
        store_weight(intervals + ROW * samples, i, ZERO)
    for m in range(samples - 1):
        near, far = ordered + ROW * m, ordered + ROW * (m + 1)
        low, high = near + ROW * samples, far + ROW * samples
        optical = intervals + ROW * m
        before = optical + ROW * samples
        for i in range(lanes):
            middle = (load_ray(low, i) + load_ray(high, i)) * HALF + BIAS
            length = gain * (load_ray(far, i) - load_ray(near, i))
            x = max(softplus(middle) * length, ZERO)
            store_weight(optical, i, x)
            store_weight(before, lanes + i, load_weight(before, i) + x)
            store_weight(before + ROW * samples, i, sigmoid(middle) * length)


@compiled
def interval_gradients(intervals, values, alpha, samples, weights, suffix, lanes):
    """Weights of intervals, and in place of their optical depths the gradients of mean logits.

    From back to front: what lies behind an interval is dimmed by it.
    """
    lanes = (lanes >> 4) << 4
    for i in range(lanes):
        store_ray(suffix, i, ZERO)
    for m in range(samples - 2, -1, -1):
        optical = intervals + ROW * m
        before, slope = optical + ROW * samples, optical + ROW * 2 * samples
        value, weight = values + ROW * m, weights + ROW * m
        for i in range(lanes):
            gain = (load_ray(value, i) + load_ray(value, lanes + i)) * HALF + load_ray(alpha, i)
            x, passed = load_weight(optical, i), load_weight(before, i)
            behind = load_ray(suffix, i)
            w = exp_neg(passed) * one_minus_exp_neg(x)
            grad = (exp_neg(passed + x) * gain - behind) * load_weight(slope, i)
            store_weight(weight, i, w)
            store_weight(optical, i, grad)
            store_ray(suffix, i, behind + w * gain)


@compiled
def load_gradients(bundle, image, group, outputs, gradients, rows):
    """Gradients of a group's results as rows: colours, depth, alpha; zero for repeated lanes."""
    for i in range(LANES):
        lane = group * LANES + i
        ray = image * bundle.rays + load_long(bundle.order, lane)
        for k in range(outputs + 1):
            g = load_input(gradients, ray * (outputs + 1) + k) if lane < bundle.rays else ZERO
            store_ray(rows, k * LANES + i, g)


@compiled
def sample_values(depths, raw, outputs, samples, incoming, values, lanes):
    """Loss per share of every sample: its colour and depth times the gradients of the pixel."""
    lanes = (lanes >> 4) << 4
    for s in range(samples):
        value = values + ROW * s
        for i in range(lanes):
            x = load_ray(incoming + ROW * (outputs - 1), i) * load_ray(depths + ROW * s, i)
            store_weight(value, i, x)
        for k in range(1, outputs):
            color, grad = raw + ROW * (s * outputs + k), incoming + ROW * (k - 1)
            for i in range(lanes):
                x = load_weight(value, i) + load_ray(color, i) * load_ray(grad, i)
                store_weight(value, i, x)


@compiled
def place_outputs(raw, slope, share, incoming, field, outputs):
    """Gradients of one row of logits and colours before the sigmoid, as sixteen rows."""
    for i in range(LANES):
        o = i * field.inner
        store_block(outputs, o, load_ray(slope, i))
        for k in range(1, field.outputs):
            y = (load_ray(raw, k * LANES + i) + COLOR_OFFSET) / COLOR_SCALE
            g = load_ray(incoming, (k - 1) * LANES + i) * load_ray(share, i)
            store_block(outputs, o + k, g * COLOR_SCALE * y * (ONE - y))
        for k in range(field.outputs, field.inner):
            store_block(outputs, o + k, ZERO)


@compiled
def march_back(field, march, bundle, image, group, scratch, extra, depths, raw, gradients):
    """Shares of samples and gradients of their logits; returns the addresses of both and more."""
    samples, outputs = march.first + march.second, field.outputs
    suffix, incoming, weights, _, order, ordered, shares, _, _ = places(
        scratch, samples, march.first, outputs
    )
    intervals, values = extra, extra + ROW * 3 * samples
    in_order, slopes = values + ROW * samples, values + ROW * 2 * samples
    load_rays(bundle, image, group, scratch)
    load_gradients(bundle, image, group, outputs, gradients, incoming)
    merge(depths, raw, outputs, march, order, ordered)
    optical_depths(ordered, samples, march, intervals, march.lanes)
    sample_values(depths, raw, outputs, samples, incoming, values, march.lanes)
    for m in range(samples):
        for i in range(LANES):
            s = np.int64(load_ray(order, m * LANES + i))
            store_ray(in_order, m * LANES + i, load_weight(values, s * LANES + i))
    alpha = incoming + ROW * outputs
    interval_gradients(intervals, in_order, alpha, samples, weights, suffix, march.lanes)
    share_out(weights, order, samples, shares)
    share_out(intervals, order, samples, slopes)
    return shares, slopes, incoming


@kernel
def render_gradients(
    field, march, bundle, image, start, stop, memory, saved, gradients, positions, rows, sums
):
    """Gradients of groups start to stop of one image.

    Args:
        field: planes and decoder.
        march: how rays are sampled.
        bundle: the rays.
        image: number of the image.
        start: first group.
        stop: group after the last one.
        memory: addresses of a block and of two areas of scratch memory.
        saved: addresses of depths and of raw of all groups.
        gradients: address of outputs + 1 floats per ray.
        positions: address of samples x 3 x 16 floats per group, to be filled.
        rows: address of samples x 16 x channels floats per group, to be filled: of features.
        sums: address of the decoder's gradients, added to.
    """
    samples, outputs = march.first + march.second, field.outputs
    block, scratch, extra = memory
    inner = parts(field, block)[4]
    for group in range(start, stop):
        depths = saved[0] + ROW * samples * group
        raw = saved[1] + ROW * samples * outputs * group
        shares, slopes, incoming = march_back(
            field, march, bundle, image, group, scratch, extra, depths, raw, gradients
        )
        for s in range(samples):
            step_to(scratch, depths + ROW * s, np.float32(march.scale), block, field.lanes)
            place_outputs(
                raw + ROW * outputs * s, slopes + ROW * s, shares + ROW * s, incoming, field, inner
            )
            index = (group - start) * samples + s
            keep_positions(block, positions + ROW * 3 * index)
            target = rows + ROW * field.channels * index
            decoder_gradients(field, image, block, target, sums)


@compiled
def keep_positions(block, positions):
    """Copies the block's positions."""
    for i in range(3 * LANES):
        store_block(positions, i, load_block(block, i))


@kernel
def query_gradients(
    field, scale, points, total, image, start, stop, memory, values, gradients, positions, rows,
    sums,
):  # fmt: skip
    """Gradients of groups start to stop of one image's points.

    Args:
        field: planes and decoder.
        scale: world units to coordinates in [-1, 1].
        points: address of total x 3 floats.
        total: number of points.
        image: number of the image.
        start: first group.
        stop: group after the last one.
        memory: address of a block.
        values: address of total x outputs floats: logits and colours.
        gradients: address of as many floats: of logits and colours.
        positions: address of 3 x 16 floats per group, to be filled.
        rows: address of 16 x channels floats per group, to be filled: of features.
        sums: address of the decoder's gradients, added to.
    """
    outputs = parts(field, memory)[4]
    for group in range(start, stop):
        load_points(points, total, group, scale, memory)
        keep_positions(memory, positions + ROW * 3 * (group - start))
        for i in range(LANES):
            point = group * LANES + i
            for k in range(field.inner):
                g = ZERO
                if point < total and k < field.outputs:
                    g = load_input(gradients, point * field.outputs + k)
                    if k > 0:
                        y = load_input(values, point * field.outputs + k)
                        y = (y + COLOR_OFFSET) / COLOR_SCALE
                        g *= COLOR_SCALE * y * (ONE - y)
                store_block(outputs, i * field.inner + k, g)
        target = rows + ROW * field.channels * (group - start)
        decoder_gradients(field, image, memory, target, sums)
