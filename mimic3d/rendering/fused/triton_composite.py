"""Samples of both passes to pixels, and back, in Triton: a thread follows one ray.

Both passes are in order, so the next sample is the nearer one of two.
"""

import triton.language as tl

from mimic3d.rendering.composite import COLOR_MARGIN
from mimic3d.rendering.fused.triton_maths import kernel, one_minus_exp_neg, softplus_precise
from mimic3d.rendering.fused.triton_rays import BIAS

MARGIN = tl.constexpr(COLOR_MARGIN)
WIDTH = tl.constexpr(1 + 2 * COLOR_MARGIN)
INFINITE = tl.constexpr(1e30)  # beyond any depth


@kernel
def take(
    depths, raw, base, rays, first, second, is_here, color,
    FIRST: tl.constexpr, SAMPLES: tl.constexpr, OUTPUTS: tl.constexpr, IS_BACKWARD: tl.constexpr,
):  # fmt: skip
    """The nearer (or, backward, the farther) of samples `first` and `second` of each ray.

    Returns its place, depth, logit and colours, and the samples that are next.
    """
    is_first = is_here & (first >= 0) & (first < FIRST)
    is_second = is_here & (second >= FIRST) & (second < SAMPLES)
    end: tl.constexpr = -INFINITE if IS_BACKWARD else INFINITE
    one = tl.load(depths + base + first * rays, mask=is_first, other=end)
    other = tl.load(depths + base + second * rays, mask=is_second, other=end)
    takes_first = one > other if IS_BACKWARD else one <= other
    at = base + tl.where(takes_first, first, second) * rays
    logit = tl.load(raw + at * OUTPUTS, mask=is_here, other=0.0)
    is_color = is_here[:, None] & (color < OUTPUTS - 1)[None, :]
    colors = tl.load(raw + at[:, None] * OUTPUTS + 1 + color[None, :], mask=is_color, other=0.0)
    step = tl.where(takes_first, 1, 0)
    if IS_BACKWARD:
        first, second = first - step, second - (1 - step)
    else:
        first, second = first + step, second + (1 - step)
    depth = tl.where(takes_first, one, other)
    return at, depth, logit, tl.sigmoid(colors) * WIDTH - MARGIN, first, second


@kernel
def composite(
    depths, raw, results, optical_before, rays, gain,
    FIRST: tl.constexpr, SAMPLES: tl.constexpr, OUTPUTS: tl.constexpr, COLORS: tl.constexpr,
    RAYS: tl.constexpr, IS_KEPT: tl.constexpr,
):  # fmt: skip
    """Colours by share, depth by share and alpha: results are n r k+2, of k colours.

    With IS_KEPT, the optical depth before each interval (n s r, from near to far) for gradients.
    """
    image = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    is_ray = row < rays
    color = tl.arange(0, COLORS)
    base = image * SAMPLES * rays + row
    first, second = tl.zeros([RAYS], tl.int32), tl.full([RAYS], FIRST, tl.int32)
    total = tl.zeros([RAYS, COLORS], tl.float32)
    weighted, alpha = tl.zeros([RAYS], tl.float32), tl.zeros([RAYS], tl.float32)
    before = tl.zeros([RAYS], tl.float32)
    _, near, low, near_colors, first, second = take(
        depths, raw, base, rays, first, second, is_ray, color, FIRST, SAMPLES, OUTPUTS, False
    )
    for interval in range(SAMPLES - 1):
        _, far, high, far_colors, first, second = take(
            depths, raw, base, rays, first, second, is_ray, color, FIRST, SAMPLES, OUTPUTS, False
        )
        optical = softplus_precise((low + high) * 0.5 + BIAS) * gain * tl.maximum(far - near, 0.0)
        weight = tl.exp(-before) * one_minus_exp_neg(optical)
        if IS_KEPT:
            tl.store(optical_before + base + interval * rays, before, mask=is_ray)
        before += optical
        total += (weight * 0.5)[:, None] * (near_colors + far_colors)
        weighted += weight * 0.5 * (near + far)
        alpha += weight
        near, low, near_colors = far, high, far_colors
    place = (image * rays + row) * (OUTPUTS + 1)
    is_color = is_ray[:, None] & (color < OUTPUTS - 1)[None, :]
    tl.store(results + place[:, None] + color[None, :], total, mask=is_color)
    tl.store(results + place + (OUTPUTS - 1), weighted, mask=is_ray)
    tl.store(results + place + OUTPUTS, alpha, mask=is_ray)


@kernel
def composite_gradients(
    depths, raw, optical_before, given, raw_gradients, rays, gain,
    FIRST: tl.constexpr, SAMPLES: tl.constexpr, OUTPUTS: tl.constexpr, COLORS: tl.constexpr,
    RAYS: tl.constexpr,
):  # fmt: skip
    """Gradients of `composite` for logits and colours before the sigmoid, from far to near.

    `given` are the gradients of its results.
    """
    image = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    is_ray = row < rays
    color = tl.arange(0, COLORS)
    is_color = is_ray[:, None] & (color < OUTPUTS - 1)[None, :]
    base = image * SAMPLES * rays + row
    place = (image * rays + row) * (OUTPUTS + 1)
    given_colors = tl.load(given + place[:, None] + color[None, :], mask=is_color, other=0.0)
    given_depth = tl.load(given + place + (OUTPUTS - 1), mask=is_ray, other=0.0)
    given_alpha = tl.load(given + place + OUTPUTS, mask=is_ray, other=0.0)
    first = tl.full([RAYS], FIRST - 1, tl.int32)
    second = tl.full([RAYS], SAMPLES - 1, tl.int32)
    at, far, high, far_colors, first, second = take(
        depths, raw, base, rays, first, second, is_ray, color, FIRST, SAMPLES, OUTPUTS, True
    )
    behind = tl.zeros([RAYS], tl.float32)  # what the intervals behind give
    next_weight, next_slope = tl.zeros([RAYS], tl.float32), tl.zeros([RAYS], tl.float32)
    for step in range(SAMPLES):
        interval = SAMPLES - 2 - step
        has_near = is_ray & (interval >= 0)
        near_at, near, low, near_colors, first, second = take(
            depths, raw, base, rays, first, second, has_near, color, FIRST, SAMPLES, OUTPUTS, True
        )
        before = tl.load(optical_before + base + interval * rays, mask=has_near, other=0.0)
        middle = (low + high) * 0.5 + BIAS
        length = tl.where(has_near, tl.maximum(far - near, 0.0), 0.0)
        optical = softplus_precise(middle) * gain * length
        weight = tl.where(has_near, tl.exp(-before) * one_minus_exp_neg(optical), 0.0)
        value = tl.sum(given_colors * 0.5 * (near_colors + far_colors), 1) + given_alpha
        value += given_depth * 0.5 * tl.where(has_near, near + far, 0.0)
        slope = (tl.exp(-before - optical) * value - behind) * tl.sigmoid(middle) * gain * length
        behind += weight * value
        tl.store(raw_gradients + at * OUTPUTS, 0.5 * (slope + next_slope), mask=is_ray)
        share = 0.5 * (weight + next_weight)
        sigmoid = (far_colors + MARGIN) / WIDTH
        tl.store(
            raw_gradients + at[:, None] * OUTPUTS + 1 + color[None, :],
            given_colors * share[:, None] * WIDTH * sigmoid * (1.0 - sigmoid), mask=is_color,
        )  # fmt: skip
        at, far, high, far_colors = near_at, near, low, near_colors
        next_weight, next_slope = weight, slope
