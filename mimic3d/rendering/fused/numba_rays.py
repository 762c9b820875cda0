"""Sixteen rays at a time: depths of their samples, and the weights of these.

Everything about a sample is a row of sixteen floats, one per ray.
"""

from typing import NamedTuple

import numpy as np

from mimic3d.rendering.composite import COLOR_MARGIN, DENSITY_BIAS
from mimic3d.rendering.fused.numba_compile import compiled, exact, inlined
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
from mimic3d.rendering.fused.numba_points import BYTES, LANES

ROW = BYTES * LANES
BIAS = np.float32(DENSITY_BIAS)
FLOOR, LEGACY_FLOOR = np.float32(0.01), np.float32(1e-5)  # of `depths.blur_weights`
COLOR_SCALE, COLOR_OFFSET = np.float32(1 + 2 * COLOR_MARGIN), np.float32(COLOR_MARGIN)
TINY = np.float32(1e-5)
EMPTY = np.float32(-100)  # logit of a sample that was not looked at: no density


class March(NamedTuple):
    """Sampling of rays."""

    first: int
    """Samples of the first pass."""
    second: int
    gain: float
    scale: float
    """World units to coordinates in [-1, 1]."""
    legacy: bool
    limit: float
    """Optical depth at which a ray ends."""
    lanes: int
    """16, unknown to the compiler (`Field.lanes`)."""


class Bundle(NamedTuple):
    """The rays of a call in memory; of each address the floats of all images follow each other."""

    rays: int
    """Rays of one image."""
    order: int
    """Address of an int64 per lane of every group: the number of its ray."""
    origins: int
    directions: int
    depths: int
    """Address of the depths of the first pass."""
    depths_pitch: int
    """Floats from one ray's depths to the next; 0 if all rays share theirs."""
    draws: int
    """Address of ascending numbers in [0, 1), one per sample of the second pass."""
    draws_pitch: int


@exact
def step_to(rays, depths, scale, block, lanes):
    """Positions at one row of depths; `rays` are three rows of origins and three of directions."""
    lanes = (lanes >> 4) << 4
    for axis in range(3):
        o, d = rays + ROW * axis, rays + ROW * (3 + axis)
        for i in range(lanes):
            x = load_ray(o, i) + load_ray(depths, i) * load_ray(d, i)
            store_block(block, axis * lanes + i, x * scale)


@compiled
def weigh_interval(depths, logits, pitch, s, march, weight, before, lanes):
    """Weights of the interval after sample s; advances the optical depth before it."""
    lanes = (lanes >> 4) << 4
    near, far = depths + ROW * s, depths + ROW * (s + 1)
    low, high = logits + ROW * pitch * s, logits + ROW * pitch * (s + 1)
    gain = np.float32(march.gain)
    for i in range(lanes):
        middle = (load_ray(low, i) + load_ray(high, i)) * HALF + BIAS
        optical = softplus(middle) * gain * (load_ray(far, i) - load_ray(near, i))
        optical = max(optical, ZERO)
        sofar = load_weight(before, i)
        store_weight(weight, i, exp_neg(sofar) * one_minus_exp_neg(optical))
        store_weight(before, i, sofar + optical)


@compiled
def distribute(weights, cdf, march):
    """Cumulative distribution of `depths.importance_bins` into cdf; returns its number of bins."""
    lanes = (march.lanes >> 4) << 4
    last = march.first - 2  # number of the last interval
    skip = 1 if march.legacy else 0
    bins = last + 1 - 2 * skip
    for i in range(lanes):
        store_ray(cdf, i, ZERO)
    for b in range(bins):
        here = weights + ROW * (b + skip)
        left = weights + ROW * max(b + skip - 1, 0)
        right = weights + ROW * min(b + skip + 1, last)
        row = cdf + ROW * (b + 1)
        for i in range(lanes):
            w = load_weight(here, i)
            mass = (max(w, load_weight(left, i)) + max(w, load_weight(right, i))) * HALF + FLOOR
            if march.legacy:
                mass += LEGACY_FLOOR
            store_ray(row, i, load_ray(row, i - lanes) + mass)
    total = cdf + ROW * bins
    for b in range(1, bins):
        row = cdf + ROW * b
        for i in range(lanes):
            store_ray(row, i, load_ray(row, i) / load_ray(total, i))
    for i in range(lanes):
        store_ray(total, i, ONE)
    return bins


@compiled
def resample(depths, cdf, bins, draws, lane, march, out):
    """Second depths of one ray, where the distribution reaches its ascending draws."""
    above = 1
    for j in range(march.second):
        u = load_input(draws, j)
        while above <= bins and load_ray(cdf, above * LANES + lane) <= u:
            above += 1
        high = min(above, bins)
        low = load_ray(cdf, (above - 1) * LANES + lane)
        step = load_ray(cdf, high * LANES + lane) - low
        step = ONE if step < TINY else step
        start = edge(depths, above - 1, lane, march.legacy)
        end = edge(depths, high, lane, march.legacy)
        store_ray(out, j * LANES + lane, start + (u - low) / step * (end - start))


@inlined
def edge(depths, b, i, legacy):
    """Edge number b of the bins of one ray."""
    t = load_ray(depths, b * LANES + i)
    if legacy:
        t = (t + load_ray(depths, (b + 1) * LANES + i)) * HALF
    return t


@compiled
def merge(depths, raw, outputs, march, order, ordered):
    """Both passes from near to far: numbers of samples, and their depths and logits."""
    first, samples = march.first, march.first + march.second
    for i in range(LANES):
        a, b = 0, first
        ta, tb = load_ray(depths, i), load_ray(depths, b * LANES + i)
        for m in range(samples):
            if b >= samples or (a < first and ta <= tb):
                s, t = a, ta
                a += 1
                if a < first:
                    ta = load_ray(depths, a * LANES + i)
            else:
                s, t = b, tb
                b += 1
                if b < samples:
                    tb = load_ray(depths, b * LANES + i)
            store_ray(order, m * LANES + i, np.float32(s))
            store_ray(ordered, m * LANES + i, t)
            logit = load_ray(raw, s * outputs * LANES + i)
            store_ray(ordered, (samples + m) * LANES + i, logit)


@compiled
def share_out(weights, order, samples, shares):
    """Weights of intervals in order to shares of samples by number."""
    for m in range(samples):
        for i in range(LANES):
            share = ZERO
            if m > 0:
                share += load_weight(weights, (m - 1) * LANES + i) * HALF
            if m < samples - 1:
                share += load_weight(weights, m * LANES + i) * HALF
            s = np.int64(load_ray(order, m * LANES + i))
            store_ray(shares, s * LANES + i, share)


@compiled
def composite(rows, pitch, shares, count, total, lanes):
    """Sum over samples of share times value; values lie `pitch` rows apart."""
    lanes = (lanes >> 4) << 4
    for i in range(lanes):
        store_weight(total, i, ZERO)
    for s in range(count):
        row, share = rows + ROW * pitch * s, shares + ROW * s
        for i in range(lanes):
            x = load_ray(share, i) * load_ray(row, i)
            store_weight(total, i, load_weight(total, i) + x)


@compiled
def unpack(outputs, inner, count, raw, lanes):
    """Rows of logits and of colours, from sixteen rows of outputs before the sigmoid."""
    for i in range(LANES):
        for k in range(count):
            store_ray(raw, k * LANES + i, load_block(outputs, i * inner + k))
    for k in range(1, count):
        row = raw + ROW * k
        for i in range((lanes >> 4) << 4):
            store_ray(row, i, sigmoid(load_ray(row, i)) * COLOR_SCALE - COLOR_OFFSET)


@compiled
def load_rays(bundle, image, group, rows):
    """Origins and directions of a group as six rows."""
    for i in range(LANES):
        ray = 3 * (image * bundle.rays + load_long(bundle.order, group * LANES + i))
        for axis in range(3):
            store_ray(rows, axis * LANES + i, load_input(bundle.origins, ray + axis))
            store_ray(rows, (3 + axis) * LANES + i, load_input(bundle.directions, ray + axis))
