"""Rendering and queries on a GPU: torch's side of the kernels in Triton.

Operators of their own, so that `torch.compile` and fake tensors know their shapes.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.library import custom_op

from mimic3d.rays import Rays
from mimic3d.rendering.fused import triton_launch as launch
from mimic3d.rendering.fused.layout import Layers, axis_numbers
from mimic3d.rendering.memory import chunk_bytes
from mimic3d.rendering.triplane import PlaneAxes, Planes

TILE = (8, 16)  # pixels of one program at one depth: their texels lie close together
FLOAT_BYTES = 4
FIELD = (
    "Tensor[] planes, Tensor hidden_weight, Tensor hidden_bias, Tensor out_weight, "
    "Tensor out_bias, int[] axes, float scale"
)
RAYS = "Tensor origins, Tensor directions"
DECODER_GRADIENTS = "(Tensor, Tensor, Tensor, Tensor, Tensor[])"


@custom_op(
    "mimic3d::render_rays", mutates_args=(),
    schema=f"({FIELD}, {RAYS}, Tensor first, Tensor draws, float gain, bool is_legacy, "
    "bool is_half, bool is_kept) -> (Tensor, Tensor, Tensor, Tensor)",
)  # fmt: skip
def render_rays(
    planes, hidden_weight, hidden_bias, out_weight, out_bias, axes, scale, origins, directions,
    first, draws, gain, is_legacy, is_half, is_kept,
):  # fmt: skip
    """Results as of `triton_launch.march`; depths (n s r), and for gradients raw and optical ones.

    `first` are the depths of the first pass (n r s), `draws` where the second inverts its
    distribution. What is not kept comes out empty.
    """
    layers = Layers(hidden_weight, hidden_bias, out_weight, out_bias)
    field = launch.build_field(planes, layers, axes, scale, is_half)
    n, rays, num_first = first.shape
    depths = first.new_empty(n, num_first + draws.shape[2], rays)
    depths[:, :num_first] = first.transpose(1, 2)
    raw = depths.new_empty(*depths.shape, field.outputs)
    launch.decode(field, origins, directions, depths, raw, 0, num_first)
    launch.resample(depths, raw, draws, gain, is_legacy)
    launch.decode(field, origins, directions, depths, raw, num_first, depths.shape[1])
    before = torch.empty_like(depths) if is_kept else None
    results = launch.march(depths, raw, before, num_first, gain)
    if before is None:
        raw = before = depths.new_empty(0)
        before = depths.new_empty(0)
    return results, depths, raw, before


@render_rays.register_fake
def _(planes, *arguments):
    out_bias, first, draws, is_kept = (arguments[i] for i in (3, 8, 9, 13))
    n, rays, num_first = first.shape
    samples, outputs = num_first + draws.shape[2], len(out_bias)
    depths = first.new_empty(n, samples, rays)
    kept = (n, samples, rays) if is_kept else (0,)
    raw = first.new_empty(*kept, outputs) if is_kept else first.new_empty(0)
    return first.new_empty(n, rays, outputs + 1), depths, raw, first.new_empty(kept)


@custom_op(
    "mimic3d::render_rays_backward", mutates_args=(),
    schema=f"({FIELD}, {RAYS}, Tensor depths, Tensor raw, Tensor before, Tensor given, int first, "
    f"float gain) -> {DECODER_GRADIENTS}",
)  # fmt: skip
def render_rays_backward(
    planes, hidden_weight, hidden_bias, out_weight, out_bias, axes, scale, origins, directions,
    depths, raw, before, given, first, gain,
):  # fmt: skip
    """Gradients of the decoder's tensors and of planes."""
    raw_gradients = launch.march_gradients(depths, raw, before, given, first, gain)
    layers = Layers(hidden_weight, hidden_bias, out_weight, out_bias)
    return _field_gradients(planes, layers, axes, scale, origins, directions, depths, raw_gradients)


@render_rays_backward.register_fake
def _(planes, *arguments):
    return *(torch.empty_like(w) for w in arguments[:4]), [torch.empty_like(p) for p in planes]


@custom_op(
    "mimic3d::query_points", mutates_args=(),
    schema=f"({FIELD}, Tensor points, bool is_half) -> Tensor",
)  # fmt: skip
def query_points(
    planes, hidden_weight, hidden_bias, out_weight, out_bias, axes, scale, points, is_half
):
    """Logits and colours before the sigmoid at points (n m 3): n m k."""
    layers = Layers(hidden_weight, hidden_bias, out_weight, out_bias)
    field = launch.build_field(planes, layers, axes, scale, is_half)
    n, num, _ = points.shape
    depths, raw = points.new_zeros(n, 1, num), points.new_empty(n, 1, num, field.outputs)
    launch.decode(field, points, torch.zeros_like(points), depths, raw, 0, 1)
    return raw[:, 0].clone() if n > 1 else raw.view(n, num, field.outputs)


@query_points.register_fake
def _(planes, *arguments):
    out_bias, points = arguments[3], arguments[6]
    return points.new_empty(*points.shape[:2], len(out_bias))


@custom_op(
    "mimic3d::query_points_backward", mutates_args=(),
    schema=f"({FIELD}, Tensor points, Tensor given) -> {DECODER_GRADIENTS}",
)  # fmt: skip
def query_points_backward(
    planes, hidden_weight, hidden_bias, out_weight, out_bias, axes, scale, points, given
):
    """Gradients of the decoder's tensors and of planes."""
    layers = Layers(hidden_weight, hidden_bias, out_weight, out_bias)
    depths = points.new_zeros(len(points), 1, points.shape[1])
    return _field_gradients(
        planes, layers, axes, scale, points, torch.zeros_like(points), depths, given[:, None]
    )


@query_points_backward.register_fake
def _(planes, *arguments):
    return *(torch.empty_like(w) for w in arguments[:4]), [torch.empty_like(p) for p in planes]


def _field_gradients(
    planes: list[Tensor], layers: Layers, axes: list[int], scale: float, origins: Tensor,
    directions: Tensor, depths: Tensor, raw_gradients: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Tensor]]:  # fmt: skip
    field = launch.build_field(planes, layers, axes, scale, is_half=False)
    (first, bias, second, out_bias), levels = launch.decode_backward(
        field, origins, directions, depths, raw_gradients, planes[0].shape[2]
    )
    hidden, channels = layers.hidden_weight.shape
    outputs = len(layers.out_bias)
    return (
        first[:channels, :hidden].T.contiguous(), bias[:hidden].clone(),
        second[:hidden, :outputs].T.contiguous(), out_bias[:outputs].clone(), levels,
    )  # fmt: skip


def _keep_render(ctx, inputs, output) -> None:
    planes, *weights, axes, scale, origins, directions, first, _, gain, _, _, _ = inputs
    _, depths, raw, before = output
    ctx.save_for_backward(*planes, *weights, origins, directions, depths, raw, before)
    ctx.numbers = list(axes), scale, first.shape[2], gain
    ctx.mark_non_differentiable(depths, raw, before)


def _render_gradients(ctx, given, *_):
    *planes, hw, hb, ow, ob, origins, directions, depths, raw, before = ctx.saved_tensors
    axes, scale, first, gain = ctx.numbers
    *weights, levels = render_rays_backward(
        planes, hw, hb, ow, ob, axes, scale, origins, directions, depths, raw, before,
        given.contiguous(), first, gain,
    )  # fmt: skip
    return levels, *weights, *[None] * 10


def _keep_query(ctx, inputs, output) -> None:
    planes, *weights, axes, scale, points, _ = inputs
    ctx.save_for_backward(*planes, *weights, points)
    ctx.numbers = list(axes), scale


def _query_gradients(ctx, given):
    *planes, hw, hb, ow, ob, points = ctx.saved_tensors
    *weights, levels = query_points_backward(
        planes, hw, hb, ow, ob, *ctx.numbers, points, given.contiguous()
    )
    return levels, *weights, *[None] * 4


render_rays.register_autograd(_render_gradients, setup_context=_keep_render)
query_points.register_autograd(_query_gradients, setup_context=_keep_query)


def render_on_gpu(
    planes: Planes, layers: Layers, axes: PlaneAxes, scale: float, rays: Rays,
    first: Float[Tensor, "n r s"], draws: Float[Tensor, "n r s2"], gain: float, legacy: bool,
    is_half: bool,
) -> tuple[Float[Tensor, "n r k"], tuple[Tensor, Tensor] | None]:  # fmt: skip
    """Colours by share, depth by share and alpha; for `legacy` the extreme depths of all samples.

    Rays go in tiles; without gradients, in chunks that fit into the memory that is free.
    """
    side = tiled_side(rays.origins.shape[1])
    inputs = [to_tiles(x, side).contiguous() for x in (rays.origins, rays.directions)]
    inputs += [x if x.stride(1) == 0 else to_tiles(x, side) for x in (first, draws)]
    weights = (layers.hidden_weight, layers.hidden_bias, layers.out_weight, layers.out_bias)
    is_kept = torch.is_grad_enabled() and any(x.requires_grad for x in (*planes, *weights))
    chunk = first.shape[1]
    if not is_kept:
        samples = first.shape[2] + draws.shape[2]
        floats = len(first) * samples * (len(layers.out_bias) + 1)
        chunk = max(1, chunk_bytes(first.device) // (FLOAT_BYTES * floats))
    parts = [
        render_rays(
            list(planes), *weights, axis_numbers(axes), scale, o.contiguous(), d.contiguous(), f,
            u, gain, legacy, is_half, is_kept,
        )
        for o, d, f, u in zip(*(x.split(chunk, dim=1) for x in inputs), strict=True)
    ]  # fmt: skip
    results = from_tiles(torch.cat([part[0] for part in parts], dim=1), side)
    if not legacy:
        return results, None
    lows, highs = zip(*(part[1].aminmax() for part in parts), strict=True)
    return results, (torch.stack(lows).min(), torch.stack(highs).max())


def tiled_side(rays: int) -> int:
    """Side of the square image that so many rays are, if it can be cut into tiles; else 0."""
    side = math.isqrt(rays)
    return side if side * side == rays and not any(side % t for t in TILE) else 0


def to_tiles(x: Float[Tensor, "n r k"], side: int) -> Float[Tensor, "n r k"]:
    """Rays tile by tile."""
    if side == 0:
        return x
    i, j = TILE
    return rearrange(x, "n (y i x j) k -> n (y x i j) k", y=side // i, i=i, j=j)


def from_tiles(x: Float[Tensor, "n r k"], side: int) -> Float[Tensor, "n r k"]:
    """Rays row by row."""
    if side == 0:
        return x
    i, j = TILE
    return rearrange(x, "n (y x i j) k -> n (y i x j) k", y=side // i, i=i, j=j)


def query_on_gpu(
    planes: Planes, layers: Layers, axes: PlaneAxes, scale: float,
    points: Float[Tensor, "n m 3"], is_half: bool,
) -> Float[Tensor, "n m k"]:  # fmt: skip
    """Logits and colours before the sigmoid."""
    weights = (layers.hidden_weight, layers.hidden_bias, layers.out_weight, layers.out_bias)
    return query_points(
        list(planes), *weights, axis_numbers(axes), scale, points.contiguous(), is_half
    )
