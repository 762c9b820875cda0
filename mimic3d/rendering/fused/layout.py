"""Planes, weights and rays, laid out as fused kernels read them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from mimic3d.rendering.triplane import PlaneAxes, Planes

BORDER_BEFORE, BORDER_AFTER = 1, 2  # texels of zeros: outside a plane needs no test
BORDER = BORDER_BEFORE + BORDER_AFTER
TILE = 4  # rays of a square image go in tiles of 4 x 4, which read neighbouring texels


@dataclass(frozen=True)
class Layers:
    """A decoder of two layers: softplus between them, a widened sigmoid behind; no gains left."""

    hidden_weight: Float[Tensor, "hidden c"]
    hidden_bias: Float[Tensor, " hidden"]
    out_weight: Float[Tensor, "k hidden"]
    out_bias: Float[Tensor, " k"]


@runtime_checkable
class LayeredDecode(Protocol):
    """A decoder that can show its layers; others are functions that only torch can call."""

    def layers(self, channels: int) -> Layers:
        """Weights for the density and the first `channels` colour features."""
        ...


def axis_numbers(axes: PlaneAxes) -> list[int]:
    """Numbers of the axes of space along columns and rows of each plane: six of them."""
    return ["xyz".index(axis) for plane in axes for axis in plane]


def build_table(level: Float[Tensor, "n 3 c h w"], channels: int) -> Float[Tensor, "n 3 h2 w2 c2"]:
    """Planes with neighbouring channels in memory, padded to `channels`, with a border of zeros."""
    n, _, c, h, w = level.shape
    table = level.new_zeros(n, 3, h + BORDER, w + BORDER, channels)
    inside(table, c).copy_(rearrange(level, "n p c h w -> n p h w c"))
    return table


def inside(table: Shaped[Tensor, "n 3 h2 w2 c2"], channels: int) -> Shaped[Tensor, "n 3 h w c"]:
    """A table without its border and padding; a view."""
    rows = slice(BORDER_BEFORE, -BORDER_AFTER)
    return table[:, :, rows, rows, :channels]


_tables = WeakIdKeyDictionary()


def cached_table(
    level: Float[Tensor, "n 3 c h w"], channels: int, build: Callable[[Tensor, int], Tensor]
) -> Float[Tensor, "images 3 h2 w2 c2"]:
    """The table that `build` makes, kept as long as the planes live and are not changed.

    Planes that are one image repeated (`expand`) take one table. Tensors made in inference mode do
    not count their changes: their tables are not kept.
    """
    owner = level if level._base is None else level._base
    level = level.detach()[:1] if level.stride(0) == 0 else level.detach()
    if owner.is_inference():
        return build(level, channels)
    key = (owner._version, level.data_ptr(), tuple(level.shape), level.stride(), channels, build)
    entry = _tables.get(owner)
    if entry is None or entry[0] != key:
        entry = (key, build(level, channels))
        _tables[owner] = entry
    return entry[1]


def ray_order(rays: int, lanes: int, device: torch.device) -> Int[Tensor, " m"]:
    """Number of the ray of each lane of each group; the last ray again where lanes are left.

    The pixels of a square image are taken in tiles, other rays in order.
    """
    side = int(rays**0.5)
    order = torch.arange(rays, device=device)
    if side * side == rays and side % TILE == 0:
        tiles = rearrange(order, "(y i x j) -> y x i j", y=side // TILE, i=TILE, j=TILE)
        order = tiles.reshape(-1)
    missing = -rays % lanes
    return torch.cat([order, order[-1:].expand(missing)])


def padded(x: Tensor, *sizes: int) -> Tensor:
    """A contiguous tensor of this shape with x in its corner and zeros elsewhere."""
    if tuple(x.shape) == sizes:
        return x.contiguous()
    whole = x.new_zeros(sizes)
    whole[tuple(slice(size) for size in x.shape)] = x
    return whole


def round_up(x: int, unit: int) -> int:
    """The next multiple of `unit`."""
    return -(-x // unit) * unit


def fits(planes: Planes) -> bool:
    """True if texels can be numbered in float32."""
    return all(3 * (p.shape[-2] + BORDER) * (p.shape[-1] + BORDER) < 2**24 for p in planes)
