"""A cheap look at a generator in the course of its training.

Distances to validation images, agreement of views (W), flow residual (E) and non-flatness (N). Both
the real images and the latents are others than those that `evaluate` reports on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from mimic3d.cameras import Cameras, cameras_from_labels, orbit_cameras
from mimic3d.config import Config
from mimic3d.data.reference import Validation
from mimic3d.evaluation.sampling import draw_latents
from mimic3d.evaluation.share import Share
from mimic3d.metrics.consistency import WarpConfig, pair_scores
from mimic3d.metrics.features import FeatureStats, RandomConvFeatures, resize, to_uint8
from mimic3d.metrics.flatness import flatness
from mimic3d.metrics.flow import FlowConfig, flow_scores, flow_steps
from mimic3d.metrics.frechet import frechet_distance
from mimic3d.metrics.sliced_wasserstein import (
    PatchConfig,
    Patches,
    merge_patches,
    sample_patches,
    sliced_wasserstein,
)
from mimic3d.metrics.views import Branch, PosedView
from mimic3d.networks.generator import Generator
from mimic3d.rendering.triplane import Planes

# Seeds of samples count up from here, those of `evaluate` from a small number. Generators on the
# CPU look at the lower 32 bits of a seed only.
SEED = 2**31
BASELINE_RAD = 0.2  # of the pair of views that is compared
PATCHES, WARP, FLOW = PatchConfig(), WarpConfig(), FlowConfig()

Selectable = Literal[
    "last", "val/2d/fd_random_conv", "val/2d/swd", "val/3d/fd_random_conv", "val/3d/swd"
]
"""The end of a run, or a distance: small is good. No agreement of views, since blur raises it."""


class MonitorConfig(Config):
    """Measurements of G_ema in the course of a training."""

    every_kimg: NonNegativeFloat = 200.0
    """Images between two measurements, in thousands, in whole ticks, and once at the end; 0 never
    measures."""
    num_images: int = Field(default=1000, ge=2)
    """Generated images per branch, and as many real ones of the split val; where it is too small,
    also images of train that `evaluate` does not compare with; fewer where there are no more."""
    num_identities: PositiveInt = 64
    """Objects that are looked at from several sides."""
    batch: PositiveInt = 8
    """Objects per forward pass; moves memory and time only."""
    select: Selectable = "last"
    """The snapshot to publish: the last one, or that of the measurement with the lowest distance of
    this name, which the snapshot then states."""

    @model_validator(mode="after")
    def _selects_what_is_measured(self) -> "MonitorConfig":
        if self.select != "last" and self.every_kimg == 0:
            raise ValueError(
                f"select must be last where nothing is measured, is {self.select}; change it or "
                f"every_kimg, which is 0"
            )
        return self


@dataclass(frozen=True)
class Glance:
    """All that the distances need to know of a few images."""

    features: Float[Tensor, "n d"]
    patches: Patches


Objects = tuple[Planes, Float[Tensor, "n l w_dim"]]
"""Planes and styles of a few objects."""


class Monitor:
    """Measures a generator as often as asked, always alike."""

    def __init__(
        self, cfg: MonitorConfig, real: Validation, labels: Float[Tensor, "m 25"],
        average_label: Float[Tensor, "1 25"], pitch_rad: float, share: Share,
    ):  # fmt: skip
        """Cameras of images are drawn from `labels`; views of one object are `pitch_rad` high.

        All processes of `share` must call `measure`; all get the same numbers.
        """
        self.cfg, self.real, self.share = cfg, real, share
        self._labels, self._average_label, self._pitch_rad = labels, average_label, pitch_rad
        self._network = RandomConvFeatures().to(labels.device)
        self._seen: list[Glance] | None = None

    @torch.no_grad()
    def measure(self, G: Generator) -> dict[str, float]:
        """All metrics by name, such as val/2d/swd; those that nothing could be compared for miss.

        A generator without detail planes has its 2D branch measured only.
        """
        branches: tuple[Branch, ...] = ("2d",) if G.detail is None else ("2d", "3d")
        if self._seen is None:
            self._seen = list(self._look_at_reals(G.config.image_resolution))
        glances = self.share.gather(list(self._look_at_images(G, branches)))
        scores = self.share.gather(list(self._compare_views(G, branches)))
        found = {}
        for branch in branches:
            metrics = distances(self._seen, [glance[branch] for glance in glances])
            metrics |= means([score[branch] for score in scores])
            found |= {f"val/{branch}/{name}": value for name, value in metrics.items()}
        return found

    def _look_at_reals(self, resolution: int) -> Iterator[Glance]:
        first = 0
        for image in self.real.batches(self.cfg.batch):
            yield self._glance(resize(image.to(self._labels.device), resolution), first)
            first += len(image)

    def _look_at_images(
        self, G: Generator, branches: tuple[Branch, ...]
    ) -> Iterator[tuple[int, dict[Branch, Glance]]]:
        for some in self.share.batches(self.real.num, self.cfg.batch):
            z, rows = draw_latents(some.start, len(some), G.config.z_dim, len(self._labels), SEED)
            c = self._labels[rows.to(self._labels.device)]
            objects, cameras = make_objects(G, z, c), cameras_from_labels(c)
            yield (
                some.start,
                {
                    branch: self._glance(look(G, objects, cameras, branch).image, some.start)
                    for branch in branches
                },
            )

    def _glance(self, images: Float[Tensor, "n 3 h w"], first: int) -> Glance:
        quantised = to_uint8(images)
        return Glance(self._network(quantised).cpu(), sample_patches(quantised, first, PATCHES))

    def _compare_views(
        self, G: Generator, branches: tuple[Branch, ...]
    ) -> Iterator[tuple[int, dict[Branch, dict[str, Tensor]]]]:
        for some in self.share.batches(self.cfg.num_identities, self.cfg.batch):
            z, _ = draw_latents(some.start, len(some), G.config.z_dim, 1, SEED)
            objects = make_objects(G, z, self._average_label.expand(len(some), -1))
            yield (
                some.start,
                {branch: agreement(G, objects, self._pitch_rad, branch) for branch in branches},
            )


def make_objects(G: Generator, z: Float[Tensor, "n z_dim"], c: Float[Tensor, "n 25"]) -> Objects:
    """Objects of latents, conditioned by these cameras, with all planes there are."""
    ws = G.mapping(z.to(c.device), c)
    return G.synthesize_planes(ws, detail=G.detail is not None, noise="const"), ws


def look(G: Generator, objects: Objects, cameras: Cameras, branch: Branch) -> PosedView:
    """Views of objects; the depth of the 2D branch is that of its raw rendering, enlarged."""
    (planes, ws), side = objects, G.config.image_resolution
    if branch == "3d":
        seen = G.render_3d(planes, cameras, side)
        return PosedView(seen.image, seen.depth, seen.alpha, cameras)
    flat = G.render_2d(planes, ws, cameras)
    return PosedView(flat.image, resize(flat.depth, side), resize(flat.alpha, side), cameras)


def agreement(
    G: Generator, objects: Objects, pitch_rad: float, branch: Branch
) -> dict[str, Float[Tensor, " n"]]:
    """Scores of each object by name: warp at one baseline, flow, and non-flatness."""
    num, device = len(objects[1]), objects[1].device
    pitch = torch.full((num,), pitch_rad, device=device)

    def at(yaw: Float[Tensor, " n"]) -> PosedView:
        return look(G, objects, orbit_cameras(yaw, pitch, G.scene).to(device), branch)

    front = at(torch.zeros_like(pitch))
    pair = pair_scores(front, at(torch.full_like(pitch, BASELINE_RAD)), WARP)
    step = flow_steps(front, pitch_rad, G.scene, WARP, FLOW)
    moves = flow_scores(at(-step), front, at(step), WARP)
    shape = flatness(front.depth, front.alpha, G.scene.near, G.scene.far)
    scores = {f"{name}_at_{BASELINE_RAD:g}": value for name, value in vars(pair).items()}
    scores |= vars(moves) | vars(shape)
    return {name: value.cpu() for name, value in scores.items()}


def distances(real: list[Glance], fake: list[Glance]) -> dict[str, float]:
    """Frechet distance of random features, and the mean sliced Wasserstein distance of levels."""
    real_stats, fake_stats = (
        sum(
            (FeatureStats.of(glance.features) for glance in glances),
            start=FeatureStats.empty(RandomConvFeatures.dim),
        )
        for glances in (real, fake)
    )
    real_patches, fake_patches = (
        merge_patches([glance.patches for glance in glances]) for glances in (real, fake)
    )
    levels = sliced_wasserstein(real_patches, fake_patches, PATCHES)
    return {
        "fd_random_conv": frechet_distance(real_stats, fake_stats),
        "swd": sum(levels.values()) / len(levels),
    }


def means(scores: list[dict[str, Float[Tensor, " _"]]]) -> dict[str, float]:
    """Means over the objects that could be compared; without the scores of none."""
    found = {}
    for name in scores[0]:
        values = torch.cat([some[name] for some in scores]).double()
        values = values[values.isfinite()]
        if len(values):
            found[name] = float(values.mean())
    return found
