"""Rendering and queries on a CPU: torch's side of the numba kernels."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from mimic3d.rendering.fused import numba_backward, numba_kernels
from mimic3d.rendering.fused.layout import ray_order
from mimic3d.rendering.fused.numba_points import LANES
from mimic3d.rendering.fused.numba_rays import Bundle, March
from mimic3d.rendering.fused.numba_work import GradientWork, Memory, groups_of
from mimic3d.rendering.fused.threads import for_each

NEVER = 1e38
TASK_GROUPS = 32  # groups that a thread takes at once


@dataclass
class RenderCall:
    """One call of `render`: the rays, where their samples lie, and the field."""

    memory: Memory
    origins: Float[Tensor, "n r 3"]
    directions: Float[Tensor, "n r 3"]
    depths: Float[Tensor, "n r s"]
    """Depths of the first pass; expanded where all rays share them."""
    draws: Float[Tensor, "n r s2"]
    """Ascending numbers in [0, 1) of the second pass, likewise."""
    gain: float
    scale: float
    legacy: bool
    optical_limit: float | None = None
    """Optical depth at which rays end."""
    depth_range: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    """Smallest and largest depth of all samples, for `legacy`."""

    def __post_init__(self) -> None:
        self.origins, self.directions = self.origins.contiguous(), self.directions.contiguous()
        self.depths, depths_pitch = _shared(self.depths)
        self.draws, draws_pitch = _shared(self.draws)
        self.images, self.rays, _ = self.origins.shape
        self.groups = groups_of(self.rays)
        self.order = ray_order(self.rays, LANES, self.origins.device)
        self.march = March(
            self.depths.shape[-1], self.draws.shape[-1], self.gain, self.scale, self.legacy,
            self.optical_limit or NEVER, LANES,
        )  # fmt: skip
        self.bundle = Bundle(
            self.rays, self.order.data_ptr(), self.origins.data_ptr(), self.directions.data_ptr(),
            self.depths.data_ptr(), depths_pitch, self.draws.data_ptr(), draws_pitch,
        )  # fmt: skip

    @property
    def samples(self) -> int:
        """Samples of a ray."""
        return self.march.first + self.march.second

    def run(self, with_gradients: bool) -> tuple[Float[Tensor, "n r k"], list[Tensor]]:
        """Colours by share, depth by share and alpha; depths and raw values for the gradients."""
        f = self.memory.field
        results = torch.empty(self.images, self.rays, f.outputs + 1)
        keep = (self.images, self.groups, self.samples, f.outputs, LANES)
        depths = torch.empty(*keep[:3], LANES) if with_gradients or self.legacy else None
        raw = torch.empty(keep) if with_gradients else None
        tasks = math.ceil(self.groups / TASK_GROUPS)

        def render(task: int) -> None:
            image, part = divmod(task, tasks)
            start = part * TASK_GROUPS
            stop = min(start + TASK_GROUPS, self.groups)
            rows = numba_kernels.group_rows(self.march.first, self.march.second, f.outputs)
            areas, addresses = self.memory.scratch(rows)
            saved = tuple(0 if x is None else x[image].data_ptr() for x in (depths, raw))
            numba_kernels.render_groups(
                f, self.march, self.bundle, image, start, stop, addresses, results.data_ptr(), saved
            )
            del areas

        for_each(render, range(self.images * tasks))
        if self.legacy:
            assert depths is not None
            self.depth_range = depths.min(), depths.max()
        return results, [depths, raw] if raw is not None and depths is not None else []

    def gradients(
        self, saved: tuple[Tensor, ...], incoming: Float[Tensor, "n r k"]
    ) -> GradientWork:
        """Gradients of decoder and planes."""
        depths, raw = saved
        f = self.memory.field
        work = GradientWork(self.memory, self.images, self.groups, self.samples)

        def gradients(image: int, start: int, stop: int, positions: int, rows: int, sums: int):
            forward_rows = numba_kernels.group_rows(self.march.first, self.march.second, f.outputs)
            areas, addresses = self.memory.scratch(
                forward_rows, numba_backward.backward_rows(self.samples)
            )
            kept = (depths[image].data_ptr(), raw[image].data_ptr())
            numba_backward.render_gradients(
                f, self.march, self.bundle, image, start, stop, addresses, kept,
                incoming.data_ptr(), positions, rows, sums,
            )  # fmt: skip
            del areas

        work.run(gradients)
        return work


@dataclass
class QueryCall:
    """One call of `query`: points and the field."""

    memory: Memory
    points: Float[Tensor, "n m 3"]
    scale: float

    def __post_init__(self) -> None:
        self.points = self.points.contiguous()
        self.images, self.total, _ = self.points.shape
        self.groups = groups_of(self.total)

    def run(self) -> Float[Tensor, "n m k"]:
        """Logits and colours."""
        f = self.memory.field
        results = torch.empty(self.images, self.total, f.outputs)
        size = 64 * TASK_GROUPS
        tasks = math.ceil(self.groups / size)

        def query(task: int) -> None:
            image, part = divmod(task, tasks)
            start, stop = part * size, min(part * size + size, self.groups)
            areas, addresses = self.memory.scratch(f.outputs)
            numba_kernels.query_groups(
                f, self.scale, self.points[image].data_ptr(), self.total, image, start, stop,
                addresses, results[image].data_ptr(),
            )  # fmt: skip
            del areas

        for_each(query, range(self.images * tasks))
        return results

    def gradients(self, values: Tensor, incoming: Float[Tensor, "n m k"]) -> GradientWork:
        """Gradients of decoder and planes."""
        work = GradientWork(self.memory, self.images, self.groups, 1)

        def gradients(image: int, start: int, stop: int, positions: int, rows: int, sums: int):
            areas, (block,) = self.memory.scratch()
            numba_backward.query_gradients(
                self.memory.field, self.scale, self.points[image].data_ptr(), self.total, image,
                start, stop, block, values[image].data_ptr(), incoming[image].data_ptr(),
                positions, rows, sums,
            )  # fmt: skip
            del areas

        work.run(gradients)
        return work


class NumbaRender(torch.autograd.Function):
    """Colours by share, depth by share and alpha of rays; gradients for planes and decoder."""

    @staticmethod
    def forward(ctx, call: RenderCall, *parameters: Tensor) -> Tensor:
        """Results of all rays; `parameters` are the decoder's four tensors, then the planes."""
        results, saved = call.run(any(ctx.needs_input_grad))
        ctx.call, ctx.shapes = call, [p.shape for p in parameters]
        ctx.save_for_backward(*saved)
        return results

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Gradients of the parameters."""
        work = ctx.call.gradients(ctx.saved_tensors, grad_outputs[0].contiguous())
        return None, *work.parameters(ctx.shapes)


class NumbaQuery(torch.autograd.Function):
    """Logits and colours of points; gradients for planes and decoder."""

    @staticmethod
    def forward(ctx, call: QueryCall, *parameters: Tensor) -> Tensor:
        """Results of all points; `parameters` as in `NumbaRender`."""
        results = call.run()
        ctx.call, ctx.shapes = call, [p.shape for p in parameters]
        ctx.save_for_backward(results)
        return results

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Gradients of the parameters."""
        work = ctx.call.gradients(ctx.saved_tensors[0], grad_outputs[0].contiguous())
        return None, *work.parameters(ctx.shapes)


def _shared(x: Tensor) -> tuple[Tensor, int]:
    """One row if all rays share theirs, else all; and the floats from one to the next."""
    if x.stride(0) == 0 and x.stride(1) == 0:
        return x[0, 0].contiguous(), 0
    return x.contiguous(), x.shape[-1]
