"""The fused renderer as torch calls it: the results of `renderer`, from kernels of a device."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Scene
from mimic3d.rays import Rays
from mimic3d.rendering.composite import COLOR_MARGIN, mean_depth
from mimic3d.rendering.depths import Sampling, bin_offsets, stratified_depths
from mimic3d.rendering.fused.layout import LayeredDecode, Layers, cached_table, fits, round_up
from mimic3d.rendering.renderer import Decode, Render, RenderingConfig
from mimic3d.rendering.triplane import Planes

if TYPE_CHECKING:
    from mimic3d.rendering.fused.numba_work import Memory

Kernels = Literal["numba", "triton"]
MOST_HALF = 6e3  # a tenth of the largest float16: sums of planes and levels stay finite
AMPERE = 8  # major compute capability: the oldest that the kernels in Triton are compiled for


def why_not_here(device: torch.device) -> str | None:
    """Reason that no fused kernels run on this device; None if they do."""
    if device.type == "cuda":
        return _why_not_on_gpu(device)
    if device.type != "cpu":
        return f"fused kernels run on CPUs and on NVIDIA's GPUs, the device is {device.type}"
    if find_spec("numba") is None:
        return "numba is not installed; pip install 'mimic3d-open[fast]'"
    return None


def _why_not_on_gpu(device: torch.device) -> str | None:
    if torch.version.hip is not None:
        return "fused kernels are written for NVIDIA's GPUs"
    major, minor = torch.cuda.get_device_capability(device)
    if major < AMPERE:
        return f"fused kernels need compute capability {AMPERE}.0, the GPU has {major}.{minor}"
    if find_spec("triton") is None:
        return "triton is not installed; pip install triton"
    return None


def why_not_this(planes: Planes, decode: Decode, places: tuple[Tensor, ...]) -> str | None:
    """Reason that fused kernels refuse a call; None if they do not. `places` are rays or points."""
    if not isinstance(decode, LayeredDecode):
        return "the decoder does not show its layers"
    if any(x.dtype != torch.float32 for x in (*planes, *places)):
        return "planes, rays and points must be float32"
    if torch.is_grad_enabled() and any(x.requires_grad for x in places):
        return "rays or points need gradients"
    if not fits(planes):
        return "planes have more than 2^24 texels"
    return None


def why_not_half(planes: Planes) -> str | None:
    """Reason that planes cannot lie in float16; None if they can. Waits for the GPU."""
    if max(level.abs().amax().item() for level in planes) > MOST_HALF:
        return f"planes in float16 must stay within {MOST_HALF:g}"
    return None


@dataclass(frozen=True)
class Samples:
    """Depths of the samples of rays; expanded where all rays share them."""

    depths: Float[Tensor, "n r s"]
    """Depths of the first pass."""
    draws: Float[Tensor, "n r s2"]
    """Ascending numbers in [0, 1), where the second pass inverts the distribution of the first."""


def place_samples(
    rays: Rays, scene: Scene, cfg: RenderingConfig, sampling: Sampling | None, legacy: bool
) -> Samples:
    """Draws the numbers that `stratified_depths` and `importance_depths` draw, in their order."""
    like = rays.origins if sampling is not None else rays.origins[:1, :1]
    depths = stratified_depths(scene.near, scene.far, cfg.depth_resolution, like, sampling, legacy)
    num = cfg.depth_resolution_importance
    draws = bin_offsets((*like.shape[:2], num), sampling, depths)
    if sampling is None or not legacy:
        draws = (torch.arange(num, device=draws.device, dtype=draws.dtype) + draws) / num
    else:
        draws = draws.sort(dim=-1).values  # of no account to the pixel: samples are sorted anyway
    n, r, _ = rays.origins.shape
    return Samples(depths.expand(n, r, -1), draws.expand(n, r, -1))


def render_fused(
    planes: Planes, decode: LayeredDecode, rays: Rays, scene: Scene, cfg: RenderingConfig,
    channels: int, sampling: Sampling | None = None, legacy: bool = False,
    optical_limit: float | None = None, has_half_tables: bool = False,
    kernels: Kernels | None = None,
) -> Render:  # fmt: skip
    """`renderer.render` in fused kernels, by default those of the device.

    With `optical_limit` (numba), rays end at this optical depth, of what the first pass has found;
    with `has_half_tables` (triton), planes and products are in float16.
    """
    layers = decode.layers(channels)
    samples = place_samples(rays, scene, cfg, sampling, legacy)
    scale = 2 / scene.box_warp
    if _kernels(kernels, planes) == "triton":
        from mimic3d.rendering.fused.triton_render import render_on_gpu

        results, extremes = render_on_gpu(
            planes, layers, cfg.plane_axes, scale, rays, samples.depths, samples.draws,
            cfg.density_gain, legacy, has_half_tables,
        )  # fmt: skip
    else:
        from mimic3d.rendering.fused.numba_render import NumbaRender, RenderCall

        call = RenderCall(
            _memory(planes, layers, cfg), rays.origins, rays.directions, samples.depths,
            samples.draws, cfg.density_gain, scale, legacy, optical_limit,
        )  # fmt: skip
        results = NumbaRender.apply(call, *_tensors(layers), *planes)
        extremes = call.depth_range
    features, weighted, alpha = results.split([channels, 1, 1], dim=-1)
    if scene.white_back:
        features = features + (1 - alpha)
    depths = samples.depths
    if extremes is not None:
        depths = torch.stack(extremes).expand(*alpha.shape[:2], 2)
    return Render(features * 2 - 1, mean_depth(weighted, alpha, depths, scene.far, legacy), alpha)


def query_fused(
    planes: Planes, decode: LayeredDecode, points: Float[Tensor, "n m 3"], scene: Scene,
    cfg: RenderingConfig, channels: int, has_half_tables: bool = False,
    kernels: Kernels | None = None,
) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m k"]]:  # fmt: skip
    """`renderer.query` in fused kernels, with the choices of `render_fused`."""
    layers = decode.layers(channels)
    scale = 2 / scene.box_warp
    if _kernels(kernels, planes) == "triton":
        from mimic3d.rendering.fused.triton_render import query_on_gpu

        raw = query_on_gpu(planes, layers, cfg.plane_axes, scale, points, has_half_tables)
        colors = torch.sigmoid(raw[..., 1:]) * (1 + 2 * COLOR_MARGIN) - COLOR_MARGIN
        return raw[..., :1], colors
    from mimic3d.rendering.fused.numba_render import NumbaQuery, QueryCall

    call = QueryCall(_memory(planes, layers, cfg), points, scale)
    results = NumbaQuery.apply(call, *_tensors(layers), *planes)
    return results[..., :1], results[..., 1:]


def _kernels(asked: Kernels | None, planes: Planes) -> Kernels:
    return asked or ("triton" if planes[0].device.type == "cuda" else "numba")


def _tensors(layers: Layers) -> tuple[Tensor, ...]:
    return layers.hidden_weight, layers.hidden_bias, layers.out_weight, layers.out_bias


def _memory(planes: Planes, layers: Layers, cfg: RenderingConfig) -> "Memory":
    from mimic3d.rendering.fused.numba_points import LANES
    from mimic3d.rendering.fused.numba_tables import build_table
    from mimic3d.rendering.fused.numba_work import build_memory

    channels = round_up(planes[0].shape[2], LANES)
    tables = [cached_table(level, channels, build_table) for level in planes]
    return build_memory(tables, layers, cfg.plane_axes)
