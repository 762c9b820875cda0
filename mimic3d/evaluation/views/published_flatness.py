"""The published non-flatness score, which needs the densities of all objects together."""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.evaluation.views.metric import JointViewMetric, Row
from mimic3d.evaluation.views.objects import ObjectViews, ViewSource, camera_at
from mimic3d.metrics.flatness import flatness_3dgp
from mimic3d.rays import cast_rays
from mimic3d.rendering.composite import DENSITY_BIAS


class PublishedFlatnessConfig(Config):
    """Densities of the published non-flatness score, which compares all objects."""

    resolution: PositiveInt = 64
    """Side of the grid of rays, pixels; with `num_samples` it decides how much memory is needed."""
    num_samples: int = Field(default=96, ge=2)
    """Intervals along a ray, of equal length between near and far."""


class PublishedFlatnessMetric(JointViewMetric[PublishedFlatnessConfig]):
    """Non-flatness from densities of the frontal view; true renderings have none."""

    name = "flatness_3dgp"
    config = PublishedFlatnessConfig
    description = "non-flatness as published"
    infos = (
        MetricInfo(
            "nfs_3dgp", "bins", "high", "Non-flatness as published (3DGP); depends on all objects."
        ),
    )

    def observe(self, views: ObjectViews) -> tuple[Float[Tensor, "h w s"], Scene] | None:
        """Densities along the rays of the frontal camera, and the scene, which bounds them."""
        if views.source.raw_density is None:
            return None
        return frontal_densities(views.source, views.pitch_rad, self.cfg), views.scene

    def score(
        self,
        branch: str,
        observed: Sequence[tuple[Float[Tensor, "h w s"], Scene]],
        angles: Sequence[Float[Tensor, "v 2"]],
    ) -> list[Row]:
        """The score of each object of a branch."""
        densities = [density for density, _ in observed]
        values = published_flatness(densities, observed[0][1], self.cfg)
        return [(branch, "nfs_3dgp", identity, value) for identity, value in enumerate(values)]


def frontal_densities(
    source: ViewSource, pitch_rad: float, cfg: PublishedFlatnessConfig
) -> Float[Tensor, "h w s"]:
    """Densities between evenly spaced depths along all rays of the frontal camera, on the CPU.

    As in the renderer, an interval has the softplus of the mean raw density of its ends.
    """
    assert source.raw_density is not None
    side = cfg.resolution
    rays = cast_rays(camera_at(0.0, pitch_rad, source.scene, source.device), side)
    rows = []
    for origins, directions in zip(
        rays.origins.split(side, dim=1), rays.directions.split(side, dim=1), strict=True
    ):
        depths = _edges(source.scene, cfg).to(source.device)[None, None, :, None]
        points = origins[:, :, None] + depths * directions[:, :, None]
        raw = source.raw_density(rearrange(points, "1 r s xyz -> 1 (r s) xyz"))
        raw = rearrange(raw, "1 (r s) 1 -> r s", s=depths.shape[2])
        middle = (raw[:, 1:] + raw[:, :-1]) / 2
        rows.append((F.softplus(middle + DENSITY_BIAS) * source.density_gain).cpu())
    return torch.stack(rows)


def published_flatness(
    densities: Sequence[Float[Tensor, "h w s"]], scene: Scene, cfg: PublishedFlatnessConfig
) -> list[float]:
    """The score of each object, from the densities of all objects: it depends on their median."""
    together = torch.stack(list(densities))
    edges = _edges(scene, cfg).expand(*together.shape[:-1], -1)
    return flatness_3dgp(together, edges, scene.near, scene.far).tolist()


def _edges(scene: Scene, cfg: PublishedFlatnessConfig) -> Float[Tensor, " k"]:
    return torch.linspace(scene.near, scene.far, cfg.num_samples + 1)
