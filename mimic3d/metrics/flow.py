"""Residual of brightness constancy over three views: motion that depth does not explain.

Also the picture behind the number: an epipolar slice, one row of pixels over a sweep of cameras,
where a point of a rigid object draws a smooth tilted line.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras, Scene, orbit_cameras, project
from mimic3d.config import Config
from mimic3d.metrics.consistency import WarpConfig, usable
from mimic3d.metrics.similarity import masked_sum, reach, smooth
from mimic3d.metrics.views import PosedView, surface_points, unit_range

PROBE_RAD = 0.01  # of the yaw whose motion is measured; motion is linear in yaws this small
SIGMA_PX = 0.7  # of the filter before differences are taken: they need band-limited pictures


class FlowConfig(Config):
    """Step between the three views."""

    motion_px: PositiveFloat = 0.5
    """Root mean square of the motion of texture per step, pixels; brightness is linear in motions
    of less than one pixel only."""
    largest_step_rad: PositiveFloat = 0.1
    """Bound of the step where a surface is too flat to move, rad."""


@dataclass(frozen=True)
class FlowScores:
    """Agreement of the motion with the depth; NaN where nothing could be compared."""

    flow_residual: Float[Tensor, " n"]
    """Unexplained share: about 0.05 for a rigid object, 1 where depth explains nothing."""
    flow_ratio: Float[Tensor, " n"]
    """Energy of the change seen over that of the change predicted: far above 1 depth is too flat,
    far below 1 texture is glued to the screen."""
    flow_motion_px: Float[Tensor, " n"]
    """Root mean square of the predicted motion per step, pixels; compare only where it is equal."""


def flow_steps(
    front: PosedView, pitch_rad: float, scene: Scene, warp: WarpConfig, cfg: FlowConfig
) -> Float[Tensor, " n"]:
    """Yaw h of each identity's outer views, from the motion that its frontal depth predicts.

    `front` was taken by `orbit_cameras` at yaw 0 and this pitch; the outer views are at -h and h.
    """
    pitch = torch.full((len(front.image),), pitch_rad, device=front.image.device)
    probe = orbit_cameras(torch.full_like(pitch, PROBE_RAD), pitch, scene)
    motion = _positions(front, probe) - _positions(front, front.cameras)
    moved_px = _motion_px(motion, *_gradient(_filtered(front)), _compared(front, warp))
    largest = torch.full_like(pitch, cfg.largest_step_rad)
    return torch.fmin(PROBE_RAD * cfg.motion_px / moved_px, largest)  # also where nothing is opaque


def flow_scores(
    left: PosedView, middle: PosedView, right: PosedView, warp: WarpConfig
) -> FlowScores:
    """Residual of I_t + grad(I) m = 0 in the middle view, over foreground away from depth edges.

    I_t is half the difference of the outer images, m half the way of each visible point between
    them, the gradient a central difference.
    """
    motion = (_positions(middle, right.cameras) - _positions(middle, left.cameras)) / 2
    across, down = _gradient(_filtered(middle))
    predicted = -(across * motion[:, :1] + down * motion[:, 1:])
    observed = (_filtered(right) - _filtered(left)) / 2

    mask = _compared(middle, warp)
    observed_energy, predicted_energy = (
        masked_sum(observed**2, mask),
        masked_sum(predicted**2, mask),
    )
    return FlowScores(
        flow_residual=masked_sum((observed - predicted) ** 2, mask)
        / (observed_energy + predicted_energy),
        flow_ratio=observed_energy / predicted_energy,
        flow_motion_px=_motion_px(motion, across, down, mask),
    )


def epipolar_slice(sweep: Float[Tensor, "v 3 h w"], row: int) -> Float[Tensor, "3 v w"]:
    """One row of pixels of every view of a sweep of cameras, one below the other."""
    return rearrange(sweep[:, :, row], "v c w -> c v w")


def _filtered(view: PosedView) -> Float[Tensor, "n 3 h w"]:
    return smooth(unit_range(view.image), SIGMA_PX)


def _gradient(
    image: Float[Tensor, "n 3 h w"],
) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n 3 h w"]]:
    """Central differences across and down."""
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return across, down


def _compared(view: PosedView, warp: WarpConfig) -> Float[Tensor, "n 1 h w"]:
    """Foreground away from depth edges, and from the frame, which cuts filters off."""
    rim = reach(SIGMA_PX) + 1
    inside = usable(view, warp)[..., rim:-rim, rim:-rim].float()
    return F.pad(inside, (rim, rim, rim, rim))


def _positions(view: PosedView, cameras: Cameras) -> Float[Tensor, "n 2 h w"]:
    """Projections of the points of the view's surface by cameras: column and row, pixels."""
    side = view.image.shape[-1]
    uv, _ = project(surface_points(view), cameras)
    return rearrange(uv * side, "n (h w) xy -> n xy h w", h=side)


def _motion_px(
    motion: Float[Tensor, "n 2 h w"],
    across: Float[Tensor, "n 3 h w"],
    down: Float[Tensor, "n 3 h w"],
    mask: Float[Tensor, "n 1 h w"],
) -> Float[Tensor, " n"]:
    """Root mean square of the motion, where the picture has texture that shows it.

    Weighted by the energy of the gradient: a plain wall moves, but nobody can see it.
    """
    texture = (across**2 + down**2).sum(dim=1, keepdim=True)
    length = (motion**2).sum(dim=1, keepdim=True)
    return (masked_sum(texture * length, mask) / masked_sum(texture, mask)).sqrt()
