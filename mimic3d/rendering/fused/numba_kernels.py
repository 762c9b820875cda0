"""Kernels of rendering and of queries; torch calls them for a range of groups of one image.

A group is sixteen rays, or points. Its scratch memory is a block (`numba_points`), then rows of
sixteen floats (`group_rows`), with s1 + s2 = s samples of the two passes:

    rays      6       origins and directions
    ends      1       depth from where on nothing is seen
    sums      outputs + 2     results
    weights   s + 1   of intervals, and the optical depth so far
    cdf       s1 + 1
    order     s       number of the sample, from near to far
    sorted    2 x s   depths and logits in that order
    shares    s
    depths    s       first pass, then second; unless they are saved
    raw       s x outputs     logits and colours; unless they are saved
"""

import numpy as np

from mimic3d.rendering.fused.numba_compile import compiled, kernel
from mimic3d.rendering.fused.numba_maths import ZERO
from mimic3d.rendering.fused.numba_memory import (
    load_input,
    load_long,
    load_ray,
    load_weight,
    store_block,
    store_input,
    store_ray,
    store_weight,
)
from mimic3d.rendering.fused.numba_points import BYTES, LANES, decode, parts, project
from mimic3d.rendering.fused.numba_rays import (
    EMPTY,
    ROW,
    composite,
    distribute,
    load_rays,
    merge,
    resample,
    share_out,
    step_to,
    unpack,
    weigh_interval,
)

NEVER = np.float32(3e38)


def group_rows(first: int, second: int, outputs: int) -> int:
    """Rows of scratch memory that one group takes, besides its block."""
    samples = first + second
    return 11 + first + outputs + (6 + outputs) * samples


@compiled
def places(scratch, samples, first, outputs):
    """Addresses of ends, sums, weights, cdf, order, sorted, shares, depths and raw."""
    ends = scratch + ROW * 6
    sums = ends + ROW
    weights = sums + ROW * (outputs + 2)
    cdf = weights + ROW * (samples + 1)
    order = cdf + ROW * (first + 1)
    ordered = order + ROW * samples
    shares = ordered + ROW * 2 * samples
    depths = shares + ROW * samples
    return ends, sums, weights, cdf, order, ordered, shares, depths, depths + ROW * samples


@compiled
def see(field, image, block, rays, depths, march, raw):
    """Logits and colours of a group at one row of depths."""
    step_to(rays, depths, np.float32(march.scale), block, field.lanes)
    decode(field, image, block)
    project(field, parts(field, block)[2], parts(field, block)[4])
    unpack(parts(field, block)[4], field.inner, field.outputs, raw, field.lanes)


@compiled
def skip(raw, outputs):
    """A row of samples that no ray reaches."""
    for k in range(outputs):
        for i in range(LANES):
            store_ray(raw, k * LANES + i, EMPTY if k == 0 else ZERO)


@compiled
def first_pass(field, image, block, rays, depths, march, raw, weights, ends):
    """Samples of the first pass until all rays have ended, and the weights of their intervals."""
    outputs = field.outputs
    before = weights + ROW * (march.first - 1)
    limit = np.float32(march.limit)
    for i in range(LANES):
        store_ray(ends, i, NEVER)
        store_weight(before, i, ZERO)
    is_open = True
    for s in range(march.first):
        row = raw + ROW * outputs * s
        if is_open:
            see(field, image, block, rays, depths + ROW * s, march, row)
        else:
            skip(row, outputs)
        if s == 0:
            continue
        weight = weights + ROW * (s - 1)
        weigh_interval(depths, raw, outputs, s - 1, march, weight, before, march.lanes)
        is_open = False
        for i in range(LANES):
            if load_weight(before, i) < limit:
                is_open = True
            elif load_ray(ends, i) == NEVER:
                store_ray(ends, i, load_ray(depths, s * LANES + i))


@compiled
def second_pass(field, image, block, rays, depths, march, raw, ends):
    """Samples of the second pass, but for those behind the ends of all rays."""
    for s in range(march.second):
        row, depth = raw + ROW * field.outputs * s, depths + ROW * s
        is_open = False
        for i in range(LANES):
            if load_ray(depth, i) <= load_ray(ends, i):
                is_open = True
        if is_open:
            see(field, image, block, rays, depth, march, row)
        else:
            skip(row, field.outputs)


@compiled
def march_group(field, march, bundle, image, group, scratch, block, depths, raw):
    """Renders sixteen rays; sums hold colours by share, depth by share and alpha."""
    samples, outputs = march.first + march.second, field.outputs
    ends, sums, weights, cdf, order, ordered, shares, _, _ = places(
        scratch, samples, march.first, outputs
    )
    load_rays(bundle, image, group, scratch)
    for i in range(LANES):
        ray = image * bundle.rays + load_long(bundle.order, group * LANES + i)
        source = bundle.depths + BYTES * ray * bundle.depths_pitch
        for s in range(march.first):
            store_ray(depths, s * LANES + i, load_input(source, s))
    first_pass(field, image, block, scratch, depths, march, raw, weights, ends)
    bins = distribute(weights, cdf, march)
    second = depths + ROW * march.first
    for i in range(LANES):
        ray = image * bundle.rays + load_long(bundle.order, group * LANES + i)
        draws = bundle.draws + BYTES * ray * bundle.draws_pitch
        resample(depths, cdf, bins, draws, i, march, second)
    second_raw = raw + ROW * outputs * march.first
    second_pass(field, image, block, scratch, second, march, second_raw, ends)
    merge(depths, raw, outputs, march, order, ordered)
    before = weights + ROW * samples
    for i in range(LANES):
        store_weight(before, i, ZERO)
    for m in range(samples - 1):
        logits = ordered + ROW * samples
        weigh_interval(ordered, logits, 1, m, march, weights + ROW * m, before, march.lanes)
    share_out(weights, order, samples, shares)
    for k in range(1, outputs):
        composite(raw + ROW * k, outputs, shares, samples, sums + ROW * (k - 1), march.lanes)
    composite(depths, 1, shares, samples, sums + ROW * (outputs - 1), march.lanes)
    alpha = sums + ROW * outputs
    for i in range(LANES):
        store_weight(alpha, i, ZERO)
    for m in range(samples - 1):
        for i in range(LANES):
            x = load_weight(alpha, i) + load_weight(weights, m * LANES + i)
            store_weight(alpha, i, x)


@kernel
def render_groups(field, march, bundle, image, start, stop, memory, results, saved):
    """Renders groups start to stop of one image.

    Args:
        field: planes and decoder.
        march: how rays are sampled.
        bundle: the rays.
        image: number of the image.
        start: first group.
        stop: group after the last one.
        memory: addresses of a block and of rows of scratch memory.
        results: address of outputs + 1 floats per ray: colours by share, depth by share, alpha.
        saved: addresses of depths and of raw of all groups, or zeros.
    """
    samples, outputs = march.first + march.second, field.outputs
    block, scratch = memory
    spots = places(scratch, samples, march.first, outputs)
    sums = spots[1]
    for group in range(start, stop):
        depths, raw = spots[7], spots[8]
        if saved[0] != 0:
            depths = saved[0] + ROW * samples * group
        if saved[1] != 0:
            raw = saved[1] + ROW * samples * outputs * group
        march_group(field, march, bundle, image, group, scratch, block, depths, raw)
        for i in range(LANES):
            ray = image * bundle.rays + load_long(bundle.order, group * LANES + i)
            for k in range(outputs + 1):
                store_input(results, ray * (outputs + 1) + k, load_weight(sums, k * LANES + i))


@compiled
def load_points(points, total, group, scale, block):
    """Positions of sixteen points; the last one again beyond the end."""
    for i in range(LANES):
        point = min(group * LANES + i, total - 1)
        for axis in range(3):
            x = load_input(points, point * 3 + axis)
            store_block(block, axis * LANES + i, x * np.float32(scale))


@kernel
def query_groups(field, scale, points, total, image, start, stop, memory, results):
    """Logits and colours of groups start to stop of one image's points.

    Args:
        field: planes and decoder.
        scale: world units to coordinates in [-1, 1].
        points: address of total x 3 floats.
        total: number of points.
        image: number of the image.
        start: first group.
        stop: group after the last one.
        memory: addresses of a block and of rows of scratch memory.
        results: address of total x outputs floats.
    """
    block, raw = memory
    outputs = field.outputs
    for group in range(start, stop):
        load_points(points, total, group, scale, block)
        decode(field, image, block)
        project(field, parts(field, block)[2], parts(field, block)[4])
        unpack(parts(field, block)[4], field.inner, outputs, raw, field.lanes)
        for i in range(min(LANES, total - group * LANES)):
            for k in range(outputs):
                at = (group * LANES + i) * outputs + k
                store_input(results, at, load_ray(raw, k * LANES + i))
