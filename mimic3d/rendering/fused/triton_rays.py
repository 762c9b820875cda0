"""Where the second pass samples a ray, in Triton."""

import triton.language as tl

from mimic3d.rendering.composite import DENSITY_BIAS
from mimic3d.rendering.fused.triton_maths import kernel, one_minus_exp_neg, softplus_precise

BIAS = tl.constexpr(DENSITY_BIAS)
FLOOR, LEGACY_FLOOR = tl.constexpr(0.01), tl.constexpr(1e-5)  # of `depths.importance_bins`
NOTHING = tl.constexpr(-1e30)
TINY = tl.constexpr(1e-5)


@kernel
def interval_weights(
    depths, raw, at, rays, is_ray, number, gain, FIRST: tl.constexpr, OUTPUTS: tl.constexpr
):
    """Weights of the intervals of the first pass, nothing behind the last; depths of both ends."""
    is_interval = is_ray[:, None] & (number < FIRST - 1)[None, :]
    near = tl.load(depths + at, mask=is_ray[:, None] & (number < FIRST)[None, :], other=0.0)
    far = tl.load(depths + at + rays, mask=is_interval, other=0.0)
    low = tl.load(raw + at * OUTPUTS, mask=is_interval, other=0.0)
    high = tl.load(raw + (at + rays) * OUTPUTS, mask=is_interval, other=0.0)
    optical = softplus_precise((low + high) * 0.5 + BIAS) * gain * tl.maximum(far - near, 0.0)
    optical = tl.where(is_interval, optical, 0.0)
    before = tl.cumsum(optical, 1) - optical
    weights = tl.exp(-before) * one_minus_exp_neg(optical)
    return tl.where(is_interval, weights, NOTHING), near, far


@kernel
def importance_depths(
    depths, raw, draws, rays, samples, image_pitch, sample_pitch, ray_pitch, gain,
    FIRST: tl.constexpr, FIRST_PADDED: tl.constexpr, SECOND: tl.constexpr,
    SECOND_PADDED: tl.constexpr, OUTPUTS: tl.constexpr, IS_LEGACY: tl.constexpr, RAYS: tl.constexpr,
):  # fmt: skip
    """Depths of the second pass behind those of the first in `depths` (n s r).

    `draws` ascend in [0, 1); the pitches are their strides.
    """
    image = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    is_ray = row < rays
    number = tl.arange(0, FIRST_PADDED)
    at = (image * samples + number[None, :]) * rays + row[:, None]
    weights, near, far = interval_weights(
        depths, raw, at, rays, is_ray, number, gain, FIRST, OUTPUTS
    )
    column = tl.broadcast_to(number[None, :], [RAYS, FIRST_PADDED])
    left = tl.gather(weights, tl.maximum(column - 1, 0), 1)  # an end is its own neighbour
    right = tl.gather(weights, tl.minimum(column + 1, FIRST - 2), 1)
    mass = (tl.maximum(weights, left) + tl.maximum(weights, right)) * 0.5 + FLOOR
    if IS_LEGACY:
        bins: tl.constexpr = FIRST - 3
        mass = tl.gather(mass + LEGACY_FLOOR, tl.minimum(column + 1, FIRST_PADDED - 1), 1)
        edges = (near + far) * 0.5
    else:
        bins: tl.constexpr = FIRST - 1
        edges = near
    mass = tl.where(column < bins, mass, 0.0)
    upper = tl.cumsum(mass / tl.sum(mass, 1)[:, None], 1)  # cumulative, at upper edges of bins
    second = tl.arange(0, SECOND_PADDED)
    is_sample = is_ray[:, None] & (second < SECOND)[None, :]
    draw_at = image * image_pitch + second[None, :] * sample_pitch + row[:, None] * ray_pitch
    draw = tl.load(draws + draw_at, mask=is_sample, other=0.5)
    below = tl.zeros([RAYS, SECOND_PADDED], tl.int32)  # edges behind the first one, before the draw
    for b in range(bins):
        edge = tl.sum(tl.where(column == b, upper, 0.0), 1)
        below += (edge[:, None] <= draw).to(tl.int32)
    above = tl.minimum(below + 1, bins)
    low = tl.where(below == 0, 0.0, tl.gather(upper, tl.maximum(below - 1, 0), 1))
    step = tl.gather(upper, above - 1, 1) - low
    step = tl.where(step < TINY, 1.0, step)
    start, end = tl.gather(edges, below, 1), tl.gather(edges, above, 1)
    place = start + (draw - low) / step * (end - start)
    target = (image * samples + FIRST + second[None, :]) * rays + row[:, None]
    tl.store(depths + target, place, mask=is_sample)
