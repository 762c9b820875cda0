"""Planes and decoder in memory, and the gradients that come back, cut into parts for threads."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mimic3d.rendering.fused import numba_gradients
from mimic3d.rendering.fused.layout import (
    BORDER,
    Layers,
    axis_numbers,
    padded,
    round_up,
)
from mimic3d.rendering.fused.numba_points import LANES, Field, block_floats
from mimic3d.rendering.fused.numba_tables import read_planes
from mimic3d.rendering.fused.threads import for_each
from mimic3d.rendering.triplane import PlaneAxes

QUAD = 4
CHUNK_FLOATS = 2**18  # gradients of features between two scatterings: they stay in a core's cache


@dataclass(frozen=True)
class Memory:
    """A field, and the tensors that its addresses point into."""

    field: Field
    tables: list[Tensor]
    kept: list[Tensor]

    def scratch(self, *rows: int) -> tuple[list[Tensor], tuple[int, ...]]:
        """A block and areas of so many rows of scratch memory, and their addresses."""
        f = self.field
        sizes = [block_floats(f.levels, f.channels, f.hidden, f.inner), *(LANES * r for r in rows)]
        areas = [torch.empty(size) for size in sizes]
        return areas, tuple(area.data_ptr() for area in areas)


def build_memory(tables: list[Tensor], layers: Layers, axes: PlaneAxes) -> Memory:
    """Field of planes that lie in tables (`layout.build_table`)."""
    channels = tables[0].shape[-1]
    hidden = round_up(layers.hidden_bias.numel(), LANES)
    outputs = layers.out_bias.numel()
    inner = round_up(outputs, QUAD)
    weight = padded(layers.hidden_weight.detach().T, channels, hidden)
    kept = [
        torch.tensor([_row(table) for table in tables], dtype=torch.int64),
        torch.tensor(axis_numbers(axes), dtype=torch.int64),
        weight,
        padded(layers.hidden_bias.detach(), hidden),
        padded(layers.out_weight.detach(), inner, hidden),
        padded(layers.out_bias.detach(), inner),
        weight.T.contiguous(),
    ]
    at = [tensor.data_ptr() for tensor in kept]
    field = Field(
        lanes=LANES, levels=len(tables), tables=at[0], axes=at[1], channels=channels, hidden=hidden,
        outputs=outputs, inner=inner, hidden_weight=at[2], hidden_bias=at[3], out_weight=at[4],
        out_bias=at[5], hidden_weight_t=at[6],
    )  # fmt: skip
    return Memory(field, tables, kept)


def _row(table: Tensor) -> list[int]:
    n, _, h, w, _ = table.shape
    return [table.data_ptr(), h - BORDER, w - BORDER, 0 if n == 1 else table[0].numel()]


class GradientWork:
    """Gradients of one call, gathered in an order that does not depend on the threads.

    Groups of an image are cut into parts of a fixed size. Each part has its own sums of the
    decoder's gradients, which are added in order. Gradients of features are then scattered plane by
    plane, part after part: a plane belongs to one thread at a time.
    """

    def __init__(self, memory: Memory, images: int, groups: int, samples: int) -> None:
        f = memory.field
        self.memory, self.images, self.samples = memory, images, samples
        self.part = max(1, CHUNK_FLOATS // (samples * LANES * (f.channels + 3)))
        self.starts = range(0, groups, self.part)
        self.groups = groups
        self.tables = [t.new_zeros(images, *t.shape[1:]) for t in memory.tables]
        sizes = (f.channels * f.hidden, f.hidden, f.inner * f.hidden, f.inner)
        self.sizes = sizes
        self.sums = torch.zeros(images, len(self.starts), sum(sizes))

    def run(self, gradients: Callable[[int, int, int, int, int, int], None]) -> None:
        """Calls `gradients(image, start, stop, positions, rows, sums)`, scatters what it fills."""
        threads = torch.get_num_threads()
        if self.images >= threads:
            for_each(lambda image: self._image(image, gradients, 1), range(self.images))
        else:
            for image in range(self.images):
                self._image(image, gradients, 2 * threads)

    def _image(self, image: int, gradients: Callable, at_once: int) -> None:
        blocks = self.part * self.samples
        positions = torch.empty(at_once, blocks, 3, LANES)
        rows = torch.empty(at_once, blocks, LANES, self.memory.field.channels)
        each = map if at_once == 1 else None
        for first in range(0, len(self.starts), at_once):
            parts = range(first, min(first + at_once, len(self.starts)))
            last = min(self.starts[parts[-1]] + self.part, self.groups)

            def one(part: int, first: int = first) -> None:
                start = self.starts[part]
                stop = min(start + self.part, self.groups)
                gradients(
                    image, start, stop, positions[part - first].data_ptr(),
                    rows[part - first].data_ptr(), self.sums[image, part].data_ptr(),
                )  # fmt: skip

            count = (last - self.starts[first]) * self.samples

            def scatter(plane: int, count: int = count) -> None:
                self._scatter(image, plane, positions, rows, count)

            planes = range(3 * len(self.tables))
            if each:
                list(map(one, parts))
                list(map(scatter, planes))
            else:
                for_each(one, parts)
                for_each(scatter, planes)

    def _scatter(
        self, image: int, number: int, positions: Tensor, rows: Tensor, count: int
    ) -> None:
        level, plane = divmod(number, 3)
        _, (block,) = scratch = self.memory.scratch()
        numba_gradients.scatter(
            self.memory.field, block, positions.data_ptr(), rows.data_ptr(), count, level, plane,
            self.tables[level][image].data_ptr(),
        )  # fmt: skip
        del scratch

    def parameters(self, shapes: list[torch.Size]) -> list[Tensor]:
        """Gradients of hidden weight and bias, out weight and bias, and planes, as shaped."""
        f = self.memory.field
        total = self.sums.flatten(0, 1).sum(dim=0)
        hidden, bias, out, out_bias = total.split(self.sizes)
        whole = [
            hidden.view(f.channels, f.hidden).T, bias, out.view(f.inner, f.hidden), out_bias,
        ]  # fmt: skip
        decoder = [
            w[tuple(slice(size) for size in shape)]
            for w, shape in zip(whole, shapes[:4], strict=True)
        ]
        channels = shapes[4][2]
        return decoder + [read_planes(table, channels) for table in self.tables]


def groups_of(count: int) -> int:
    """Groups of sixteen that hold so many rays or points."""
    return math.ceil(count / LANES)
