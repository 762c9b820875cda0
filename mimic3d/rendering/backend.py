"""Choice of the renderer: the plain torch definition, or fused kernels that agree with it.

Both give the same pixels to about 1e-6, not to the last bit. Where a number is measured or a
network trained, the choice is therefore a parameter of the result; where a picture is only looked
at, it is the machine's business.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.rays import Rays
from mimic3d.rendering.depths import Sampling
from mimic3d.rendering.fused.layout import LayeredDecode
from mimic3d.rendering.fused.render import (
    query_fused,
    render_fused,
    why_not_half,
    why_not_here,
    why_not_this,
)
from mimic3d.rendering.renderer import Decode, Render, RenderingConfig, query, render
from mimic3d.rendering.triplane import Planes

BackendName = Literal["auto", "torch", "fused"]


class Shortcuts(Config):
    """Work that a fused renderer may leave out when nothing is learnt from its pixels."""

    optical_limit: float | None = Field(default=None, gt=0)
    """Optical depth at which a ray ends; 7 leaves out less than a thousandth of the light. Null
    goes on to the far end. CPU only."""
    half_tables: bool = False
    """Planes and products of the decoder in float16: about 75 dB from float32. GPU only."""


@dataclass(frozen=True)
class RenderBackend:
    """A renderer; `choose_backend` makes it.

    `fallbacks` counts, by reason, calls that `auto` gave to torch although fused kernels were
    chosen.
    """

    asked: BackendName
    name: Literal["torch", "fused"]
    reason: str
    shortcuts: Shortcuts = field(default_factory=Shortcuts)
    fallbacks: Counter[str] = field(default_factory=Counter)

    @property
    def description(self) -> str:
        """Renderer and shortcuts in a word, for records of how a number was measured."""
        if self.name == "torch":
            return self.name
        limit, parts = self.shortcuts.optical_limit, [self.name]
        if limit is not None:
            parts.append(f"rays end at optical depth {limit:g}")
        if self.shortcuts.half_tables:
            parts.append("planes in float16")
        return ", ".join(parts)

    def render(
        self, planes: Planes, decode: Decode, rays: Rays, scene: Scene, cfg: RenderingConfig,
        channels: int, sampling: Sampling | None = None, legacy: bool = False,
    ) -> Render:  # fmt: skip
        """`renderer.render`.

        Raises:
            ValueError: fused kernels were asked for, and cannot take this call.
        """
        if not self._takes(planes, decode, (rays.origins, rays.directions)):
            return render(planes, decode, rays, scene, cfg, channels, sampling, legacy)
        assert isinstance(decode, LayeredDecode)
        shortcuts = Shortcuts() if torch.is_grad_enabled() else self.shortcuts
        return render_fused(
            planes, decode, rays, scene, cfg, channels, sampling, legacy, shortcuts.optical_limit,
            shortcuts.half_tables,
        )  # fmt: skip

    def query(
        self, planes: Planes, decode: Decode, points: Float[Tensor, "n m 3"], scene: Scene,
        cfg: RenderingConfig, channels: int,
    ) -> tuple[Float[Tensor, "n m 1"], Float[Tensor, "n m k"]]:  # fmt: skip
        """`renderer.query`.

        Raises:
            ValueError: fused kernels were asked for, and cannot take this call.
        """
        if not self._takes(planes, decode, (points,)):
            return query(planes, decode, points, scene, cfg, channels)
        assert isinstance(decode, LayeredDecode)
        is_half = self.shortcuts.half_tables and not torch.is_grad_enabled()
        return query_fused(planes, decode, points, scene, cfg, channels, is_half)

    def _takes(self, planes: Planes, decode: Decode, places: tuple[Tensor, ...]) -> bool:
        if self.name == "torch":
            return False
        obstacle = why_not_here(planes[0].device) or why_not_this(planes, decode, places)
        if obstacle is None and self.shortcuts.half_tables and not torch.is_grad_enabled():
            obstacle = why_not_half(planes)
        if obstacle is None:
            return True
        if self.asked == "fused":
            raise ValueError(_refusal(obstacle))
        self.fallbacks[obstacle] += 1
        return False


TORCH = RenderBackend("torch", "torch", "asked for")


def choose_backend(
    asked: BackendName, device: torch.device, shortcuts: Shortcuts | None = None
) -> RenderBackend:
    """The renderer for a device; `auto` is fused where that runs.

    Raises:
        ValueError: `fused` cannot run here, or not with these shortcuts.
    """
    shortcuts = shortcuts or Shortcuts()
    if asked != "torch":
        _check_shortcuts(shortcuts, device)
    if asked == "torch":
        return RenderBackend(asked, "torch", "asked for", shortcuts)
    obstacle = why_not_here(device)
    if obstacle is None:
        reason = "asked for" if asked == "fused" else f"fused kernels run on {device.type}"
        return RenderBackend(asked, "fused", reason, shortcuts)
    if asked == "fused":
        raise ValueError(_refusal(obstacle))
    return RenderBackend(asked, "torch", obstacle, shortcuts)


def _check_shortcuts(shortcuts: Shortcuts, device: torch.device) -> None:
    if shortcuts.optical_limit is not None and device.type == "cuda":
        raise ValueError(
            f"optical_limit must be null on a GPU, where rays go on to the far end, is "
            f"{shortcuts.optical_limit:g}; half_tables is what saves time there"
        )
    if shortcuts.half_tables and device.type != "cuda":
        raise ValueError(
            f"half_tables must be false on the device {device.type}, where float16 saves no time; "
            f"optical_limit is what does"
        )


def _refusal(obstacle: str) -> str:
    return f"the fused renderer cannot run: {obstacle}; or choose the renderer torch or auto"
