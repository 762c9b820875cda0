"""Is the shape flat? Non-flatness of frontal views: our own and the published variant."""

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.evaluation.views.objects import Sitter, camera_at, numbers
from mimic3d.metrics.flatness import flatness, flatness_3dgp
from mimic3d.metrics.protocol import Branch
from mimic3d.networks.generator import Generator
from mimic3d.rays import cast_rays
from mimic3d.rendering.composite import DENSITY_BIAS
from mimic3d.rendering.triplane import Planes


class PublishedFlatnessConfig(Config):
    """Densities of the published non-flatness score, which sees all objects at once."""

    resolution: PositiveInt = 64
    """Side of the grid of rays, pixels; with `num_samples` it decides how much memory is needed."""
    num_samples: int = Field(default=96, ge=2)
    """Intervals along a ray, of equal length between near and far."""


def score_shape(sitter: Sitter, pitch_rad: float, scene: Scene) -> dict[str, float]:
    """Non-flatness of the frontal view."""
    view = sitter(0.0, pitch_rad)
    return numbers(flatness(view.depth, view.alpha, scene.near, scene.far))


def frontal_densities(
    G: Generator, planes: Planes, branch: Branch, pitch_rad: float, cfg: PublishedFlatnessConfig
) -> Float[Tensor, "h w s"]:
    """Densities between evenly spaced depths along all rays of the frontal camera, on the CPU.

    The 2D branch sees the coarse planes alone. As in the renderer, an interval has the softplus of
    the mean raw density of its ends.
    """
    device, side = planes[0].device, cfg.resolution
    rays = cast_rays(camera_at(0.0, pitch_rad, G.scene, device), side)
    levels = planes[:1] if branch == "2d" else planes
    rows = []
    for origins, directions in zip(
        rays.origins.split(side, dim=1), rays.directions.split(side, dim=1), strict=True
    ):
        depths = _edges(G.scene, cfg).to(device)[None, None, :, None]
        points = origins[:, :, None] + depths * directions[:, :, None]
        raw = G.density(levels, rearrange(points, "1 r s xyz -> 1 (r s) xyz"))
        raw = rearrange(raw, "1 (r s) 1 -> r s", s=depths.shape[2])
        middle = (raw[:, 1:] + raw[:, :-1]) / 2
        gain = G.config.rendering.density_gain
        rows.append((F.softplus(middle + DENSITY_BIAS) * gain).cpu())
    return torch.stack(rows)


def published_flatness(
    densities: list[Float[Tensor, "h w s"]], scene: Scene, cfg: PublishedFlatnessConfig
) -> list[float]:
    """The score of each object, from the densities of all objects: it depends on their median."""
    together = torch.stack(densities)
    edges = _edges(scene, cfg).expand(*together.shape[:-1], -1)
    return flatness_3dgp(together, edges, scene.near, scene.far).tolist()


def _edges(scene: Scene, cfg: PublishedFlatnessConfig) -> Float[Tensor, " k"]:
    return torch.linspace(scene.near, scene.far, cfg.num_samples + 1)
