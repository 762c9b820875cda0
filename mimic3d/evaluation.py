"""Walks a generator for the metrics: images of both branches, and objects from several sides."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from mimic3d.cameras import Cameras, cameras_from_labels, orbit_cameras
from mimic3d.config import Config
from mimic3d.data.dataset import Multiview
from mimic3d.metrics.consistency import PosedView, WarpConfig, pair_scores
from mimic3d.metrics.features import resize
from mimic3d.metrics.protocol import Branch
from mimic3d.networks.generator import Generator
from mimic3d.rendering.triplane import Planes

BRANCHES: tuple[Branch, ...] = ("2d", "3d")


class SamplingConfig(Config):
    """How objects are drawn from a generator."""

    seed: NonNegativeInt = 0
    """Sample i is drawn with seed + i, whatever the batch."""
    batch: PositiveInt = 8
    """Objects per forward pass; moves memory and time only."""
    truncation_psi: float = Field(default=1.0, ge=0)
    """Truncation of w; 1 is none."""
    resolution: PositiveInt | None = None
    """Side of the images that are measured, pixels; null is the generator's own."""


class ConsistencyConfig(Config):
    """Which views of how many objects are compared."""

    num_identities: PositiveInt = 64
    """Objects."""
    baselines_rad: tuple[PositiveFloat, ...] = Field(default=(0.05, 0.2, 0.4), min_length=1)
    """Yaw of the other view of each pair; the first one is frontal."""
    warp: WarpConfig = WarpConfig()
    """Which pixels count."""


@dataclass(frozen=True)
class BranchImages:
    """The same objects from the same cameras by both branches."""

    first: int
    """Number of the first sample."""
    images: dict[Branch, Float[Tensor, "n 3 h w"]]


def draw_latents(
    first: int, num: int, z_dim: int, num_labels: int, seed: int
) -> tuple[Float[Tensor, "n z_dim"], Int[Tensor, " n"]]:
    """Latents and rows of the label table of samples `first`...; a sample has a seed of its own."""
    z, rows = [], []
    for index in range(first, first + num):
        rng = torch.Generator().manual_seed(seed + index)
        z.append(torch.randn(z_dim, generator=rng))
        rows.append(torch.randint(num_labels, (), generator=rng))
    return torch.stack(z), torch.stack(rows)


def sample_branches(
    G: Generator, labels: Float[Tensor, "m 25"], num: int, resolution: int, cfg: SamplingConfig
) -> Iterator[BranchImages]:
    """Images as the field's FID wants them: the camera that renders also conditions.

    Cameras are drawn from the labels, uniformly and with replacement.
    """
    device = labels.device
    for first in range(0, num, cfg.batch):
        size = min(cfg.batch, num - first)
        z, rows = draw_latents(first, size, G.config.z_dim, len(labels), cfg.seed)
        c = labels[rows.to(device)]
        cameras = cameras_from_labels(c)
        ws = G.mapping(z.to(device), c, cfg.truncation_psi)
        planes = G.synthesize_planes(ws, detail=True, noise="const")
        flat = G.render_2d(planes, ws, cameras).image
        direct = G.render_3d(planes, cameras, resolution).image
        yield BranchImages(first, {"2d": resize(flat, resolution), "3d": direct})


def score_identities(
    G: Generator, average_label: Float[Tensor, "1 25"], pitch_rad: float, resolution: int,
    cfg: ConsistencyConfig, sampling: SamplingConfig,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Consistency of both branches, a row per object, branch and baseline.

    The camera that conditions is fixed to the average one, so that only the viewpoint moves. The
    2D branch is judged by the depth of its raw rendering, enlarged bilinearly: it has no other.
    """
    device = average_label.device
    for first in range(0, cfg.num_identities, sampling.batch):
        size = min(sampling.batch, cfg.num_identities - first)
        z, _ = draw_latents(first, size, G.config.z_dim, 1, sampling.seed)
        ws = G.mapping(z.to(device), average_label.expand(size, -1), sampling.truncation_psi)
        planes = G.synthesize_planes(ws, detail=True, noise="const")
        seen = {}
        for yaw in (0.0, *cfg.baselines_rad):
            cameras = orbit_cameras(
                torch.full((size,), yaw), torch.full((size,), pitch_rad), G.scene
            ).to(device)
            seen[yaw] = _observe(G, planes, ws, cameras, resolution)
        for branch in BRANCHES:
            for yaw in cfg.baselines_rad:
                a, b = seen[0.0][branch], seen[yaw][branch]
                yield _rows(branch, yaw, first, a, b, cfg.warp)


def _observe(
    G: Generator, planes: Planes, ws: Float[Tensor, "n l w_dim"], cameras: Cameras, resolution: int
) -> dict[Branch, PosedView]:
    flat = G.render_2d(planes, ws, cameras)
    view = G.render_3d(planes, cameras, resolution)
    return {
        "2d": PosedView(
            resize(flat.image, resolution), resize(flat.depth, resolution),
            resize(flat.alpha, resolution), cameras,
        ),
        "3d": PosedView(view.image, view.depth, view.alpha, cameras),
    }  # fmt: skip


def score_multiview(
    views: Multiview, resolution: int, cfg: ConsistencyConfig, sampling: SamplingConfig
) -> Iterator[pd.DataFrame]:
    """The same scores of true renderings: the ceiling that a perfect generator reaches.

    Baselines without a view within 0.01 rad have no rows.
    """
    yaw = views.yaw[0]
    front = int(yaw.abs().argmin())
    for baseline in cfg.baselines_rad:
        other = int((yaw - baseline).abs().argmin())
        if abs(float(yaw[other]) - baseline) > 0.01:
            continue
        for first in range(0, len(views.images), sampling.batch):
            some = slice(first, first + sampling.batch)
            a, b = (_true_view(views, some, view, resolution) for view in (front, other))
            yield _rows("ceiling", baseline, first, a, b, cfg.warp)


def _true_view(views: Multiview, some: slice, view: int, resolution: int) -> PosedView:
    return PosedView(
        resize(views.images[some, view], resolution),
        resize(views.depth[some, view][:, None], resolution),
        resize(views.alpha[some, view][:, None], resolution),
        cameras_from_labels(views.labels[some, view]),
    )


def _rows(
    branch: str, baseline: float, first: int, a: PosedView, b: PosedView, cfg: WarpConfig
) -> pd.DataFrame:
    scores = {name: value.cpu().numpy() for name, value in vars(pair_scores(a, b, cfg)).items()}
    identity = range(first, first + len(a.image))
    return pd.DataFrame({"branch": branch, "baseline": baseline, "identity": identity, **scores})
