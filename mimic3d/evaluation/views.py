"""Walks a generator for the multi-view metrics: objects from several sides, by both branches."""

from collections.abc import Iterator

import pandas as pd
import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from mimic3d.cameras import Cameras, cameras_from_labels, orbit_cameras
from mimic3d.config import Config
from mimic3d.data.dataset import Multiview
from mimic3d.evaluation.sampling import BRANCHES, SamplingConfig, draw_latents
from mimic3d.metrics.consistency import PosedView, WarpConfig, pair_scores
from mimic3d.metrics.features import resize
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator
from mimic3d.rendering.triplane import Planes


class ConsistencyConfig(Config):
    """Which views of how many objects are compared."""

    num_identities: PositiveInt = 64
    """Objects."""
    baselines_rad: tuple[PositiveFloat, ...] = Field(default=(0.05, 0.2, 0.4), min_length=1)
    """Yaw of the other view of each pair; the first one is frontal."""
    warp: WarpConfig = WarpConfig()
    """Which pixels count."""


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
