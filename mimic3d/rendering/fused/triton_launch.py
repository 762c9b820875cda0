"""Launches of the kernels in Triton: sizes, padding and grids."""

import math
from dataclasses import dataclass

import torch
import triton
from jaxtyping import Float
from torch import Tensor
from triton import knobs

from mimic3d.rendering.fused.layout import (
    BORDER,
    Layers,
    build_table,
    cached_table,
    inside,
    padded,
)
from mimic3d.rendering.fused.triton_backward import decode_gradients, scatter_gradients
from mimic3d.rendering.fused.triton_composite import composite, composite_gradients
from mimic3d.rendering.fused.triton_points import decode_points
from mimic3d.rendering.fused.triton_rays import importance_depths

SMALLEST = 16  # side of a matrix that tensor cores take
TILE_RAYS, GRADIENT_RAYS, MARCH_RAYS, IMPORTANCE_RAYS = 128, 16, 128, 8
SCATTER_RAYS = 32
WARPS, FEW_WARPS = 8, 4
STAGES = 1  # loads ahead of a loop would need registers that are not there
BLOCK, GRADIENT_BLOCK = 8, 16  # samples of a program where rays are few
MANY_TILES = 1024  # several times the multiprocessors of any GPU: a program then takes whole rays
ROWS_BYTES = 2**28  # gradients of features that lie in memory at once
BITS = 62  # of a sum of whole numbers; one more is the sign


@dataclass(frozen=True)
class KernelField:
    """Planes and decoder as kernels read them."""

    tables: tuple[Tensor, ...]
    sizes: tuple[int, ...]
    weights: tuple[Tensor, Tensor, Tensor, Tensor]
    """Hidden weight and bias, out weight and bias; inputs x outputs, padded."""
    outputs: int
    axes: int
    scale: float
    """World units to coordinates in [-1, 1]."""
    is_half: bool

    @property
    def constants(self) -> dict[str, int | str]:
        """Numbers that kernels are compiled for."""
        channels, hidden = self.weights[0].shape
        return {
            "LEVELS": len(self.tables), "AXES": self.axes, "CHANNELS": channels,
            "HIDDEN": hidden, "OUTPUTS": self.outputs, "INNER": self.weights[2].shape[1],
            "PRECISION": matmul_precision(),
        }  # fmt: skip


def matmul_precision() -> str:
    """Products of float32 as torch takes them: exact, unless TensorFloat-32 is allowed."""
    if knobs.runtime.interpret:
        return "ieee"
    return "tf32x3" if torch.get_float32_matmul_precision() == "highest" else "tf32"


def pad_size(size: int, least: int = SMALLEST) -> int:
    """Next power of two."""
    return max(least, 1 << (size - 1).bit_length())


def build_half_table(level: Float[Tensor, "n 3 c h w"], channels: int) -> Tensor:
    """`layout.build_table` in float16."""
    return build_table(level.half(), channels)


def build_field(
    planes: list[Tensor], layers: Layers, axes: list[int], scale: float, is_half: bool
) -> KernelField:
    """Field of planes; `axes` as in `layout.axis_numbers`."""
    channels = pad_size(planes[0].shape[2])
    build = build_half_table if is_half else build_table
    tables = tuple(cached_table(level, channels, build) for level in planes)
    sizes = []
    for table in tables:
        shared = len(table) == 1
        sizes += [table.shape[2] - BORDER, table.shape[3] - BORDER, table[0].numel() * (not shared)]
    hidden, inner = pad_size(len(layers.hidden_bias)), pad_size(len(layers.out_bias))
    weights = (
        padded(layers.hidden_weight.T, channels, hidden), padded(layers.hidden_bias, hidden),
        padded(layers.out_weight.T, hidden, inner), padded(layers.out_bias, inner),
    )  # fmt: skip
    code = int("".join(map(str, axes)))
    return KernelField(tables, tuple(sizes), weights, len(layers.out_bias), code, scale, is_half)


def decode(
    field: KernelField, origins: Tensor, directions: Tensor, depths: Tensor, raw: Tensor,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Fills samples `start` to `stop` of raw (n s r k)."""
    n, samples, rays = depths.shape
    tile = tile_rays(field.outputs)
    tiles = triton.cdiv(rays, tile)
    block = stop - start if tiles * n >= MANY_TILES else min(BLOCK, stop - start)
    decode_points[(tiles, triton.cdiv(stop - start, block), n)](
        field.tables, field.sizes, *field.weights, origins, directions, depths, raw, rays, samples,
        start, stop, field.scale, **field.constants, RAYS=tile, BLOCK=block,
        IS_HALF=field.is_half, IS_FAST=field.is_half and not knobs.runtime.interpret,
        num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip


def resample(depths: Tensor, raw: Tensor, draws: Tensor, gain: float, is_legacy: bool) -> None:
    """Fills the depths of the second pass; draws are n r s2, with any strides."""
    n, samples, rays = depths.shape
    second = draws.shape[2]
    first = samples - second
    image_pitch, ray_pitch, sample_pitch = draws.stride()
    importance_depths[(triton.cdiv(rays, IMPORTANCE_RAYS), n)](
        depths, raw, draws, rays, samples, image_pitch, sample_pitch, ray_pitch, gain,
        FIRST=first, FIRST_PADDED=pad_size(first, 4), SECOND=second,
        SECOND_PADDED=pad_size(second, 4), OUTPUTS=raw.shape[3], IS_LEGACY=is_legacy,
        RAYS=IMPORTANCE_RAYS, num_warps=FEW_WARPS, num_stages=STAGES,
    )  # fmt: skip


def march(
    depths: Tensor, raw: Tensor, before: Tensor | None, first: int, gain: float
) -> Float[Tensor, "n r k"]:
    """Colours by share, depth by share and alpha; fills the optical depth before intervals."""
    n, samples, rays = depths.shape
    outputs = raw.shape[3]
    results = raw.new_empty(n, rays, outputs + 1)
    tile = march_rays(outputs)
    composite[(triton.cdiv(rays, tile), n)](
        depths, raw, results, results if before is None else before, rays, gain, FIRST=first,
        SAMPLES=samples, OUTPUTS=outputs, COLORS=pad_size(outputs - 1, 1), RAYS=tile,
        IS_KEPT=before is not None, num_warps=FEW_WARPS, num_stages=STAGES,
    )  # fmt: skip
    return results


def march_gradients(
    depths: Tensor, raw: Tensor, before: Tensor, given: Tensor, first: int, gain: float
) -> Float[Tensor, "n s r k"]:
    """Gradients of raw, from those of `march`'s results."""
    n, samples, rays = depths.shape
    outputs, gradients = raw.shape[3], torch.empty_like(raw)
    tile = march_rays(outputs)
    composite_gradients[(triton.cdiv(rays, tile), n)](
        depths, raw, before, given, gradients, rays, gain, FIRST=first, SAMPLES=samples,
        OUTPUTS=outputs, COLORS=pad_size(outputs - 1, 1), RAYS=tile, num_warps=FEW_WARPS,
        num_stages=STAGES,
    )  # fmt: skip
    return gradients


def march_rays(outputs: int) -> int:
    """Rays of a program that composites: fewer with more colours, which lie in registers."""
    return MARCH_RAYS if outputs <= SMALLEST else MARCH_RAYS // 4


def tile_rays(outputs: int) -> int:
    """Rays of a program that decodes points, likewise."""
    return TILE_RAYS if outputs <= SMALLEST else TILE_RAYS // 4


def gradient_warps(outputs: int) -> int:
    """Warps of a program that takes gradients of points: more colours need more registers."""
    return FEW_WARPS if outputs <= SMALLEST else WARPS


def fixed_point(
    field: KernelField, raw_gradients: Float[Tensor, "n s r k"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Factor of gradients of planes and its inverse, such that no sum overflows.

    A texel gets at most the sum over all points of the largest gradient of a feature. The inverse
    is not a number where a gradient is not finite. Nothing is read back by the host.
    """
    hidden_weight, _, out_weight, _ = field.weights
    largest = padded(raw_gradients.abs().amax(dim=(0, 1, 2)), out_weight.shape[1])
    bound = (hidden_weight.abs() @ (out_weight.abs() @ largest)).amax()
    points = raw_gradients.shape[1] * raw_gradients.shape[2]
    exponent = (BITS - torch.log2((bound * points).clamp(1e-15, 1e30))).floor()
    factor = torch.exp2(exponent)
    inverse = torch.where(bound.isfinite(), 1 / factor.double(), float("nan"))
    return factor, inverse


def decode_backward(
    field: KernelField, origins: Tensor, directions: Tensor, depths: Tensor, raw_gradients: Tensor,
    channels: int,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """Gradients of the decoder's weights (padded, inputs x outputs), and of planes.

    Images go one by one: the sums of one are twice as large as its planes. So do samples, as many
    at once as their gradients of features fit into `ROWS_BYTES`.
    """
    n, samples, rays = depths.shape
    factor, inverse = fixed_point(field, raw_gradients)
    sums = tuple(torch.empty_like(table[0], dtype=torch.int64) for table in field.tables)
    decoder = [torch.zeros_like(w) for w in field.weights]
    planes = [
        t.new_empty(n, 3, channels, t.shape[2] - BORDER, t.shape[3] - BORDER) for t in field.tables
    ]
    width = field.tables[0].shape[-1]
    chunk = min(samples, max(1, ROWS_BYTES // (rays * width * depths.element_size())))
    rows = depths.new_empty(chunk, rays, width)
    for image in range(n):
        for total in sums:
            total.zero_()
        tables = tuple(t[image if len(t) > 1 else 0] for t in field.tables)
        for start in range(0, samples, chunk):
            part = slice(start, start + chunk)
            parts = _chunk_gradients(
                field, tables, sums, rows, origins[image], directions[image], depths[image, part],
                raw_gradients[image, part], factor,
            )  # fmt: skip
            for total, more in zip(decoder, parts, strict=True):
                total += more
        for total, level in zip(sums, planes, strict=True):
            own = inside(total[None], channels)[0].movedim(-1, 1)
            torch.mul(own, inverse, out=level[image])
    return decoder, planes


def _chunk_gradients(
    field: KernelField, tables: tuple[Tensor, ...], sums: tuple[Tensor, ...], rows: Tensor,
    origins: Tensor, directions: Tensor, depths: Tensor, raw_gradients: Tensor, factor: Tensor,
) -> list[Tensor]:  # fmt: skip
    """Adds to the sums of planes; returns those of the decoder."""
    samples, rays = depths.shape
    tiles = math.ceil(rays / GRADIENT_RAYS)
    block = samples if tiles >= MANY_TILES else min(GRADIENT_BLOCK, samples)
    grid = (tiles, math.ceil(samples / block))
    parts = [w.new_empty(grid[0] * grid[1], *w.shape) for w in field.weights]
    decode_gradients[grid](
        tables, field.sizes, *field.weights[:3], origins, directions, depths, raw_gradients, rows,
        *parts, rays, samples, field.scale, **field.constants, RAYS=GRADIENT_RAYS, BLOCK=block,
        num_warps=gradient_warps(field.outputs), num_stages=STAGES,
    )  # fmt: skip
    shared = {name: field.constants[name] for name in ("LEVELS", "AXES", "CHANNELS")}
    scatter_gradients[(triton.cdiv(rays, SCATTER_RAYS), samples)](
        sums, field.sizes, origins, directions, depths, rows, factor, rays, field.scale, **shared,
        RAYS=SCATTER_RAYS, num_warps=FEW_WARPS, num_stages=STAGES,
    )  # fmt: skip
    return [part.sum(dim=0) for part in parts]
