"""Measurements of a generator in the course of its training, cheap enough to repeat.

Distances to validation images, agreement of views (W), flow residual (E) and non-flatness (N). Both
the real images and the latents are others than those that `evaluate` reports on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from mimic3d.cameras import cameras_from_labels, orbit_cameras
from mimic3d.config import Config
from mimic3d.data.reference import Validation
from mimic3d.evaluation.context import ProcessGroup
from mimic3d.evaluation.sampling import draw_latents
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
from mimic3d.networks.objects import Objects, synthesize_objects, trained_branches

# Seeds of samples count up from here, those of `evaluate` from a small number. Generators on the
# CPU use the lower 32 bits of a seed only.
SEED = 2**31
OPAQUE = 0.8  # alpha below which a pixel counts as transparent
BASELINE_RAD = 0.2  # of the pair of views that is compared
PATCHES, WARP, FLOW = PatchConfig(), WarpConfig(), FlowConfig()

Selectable = Literal[
    "last", "val/2d/fd_random_conv", "val/2d/swd", "val/3d/fd_random_conv", "val/3d/swd"
]
"""Choice of a snapshot: the last of a run, or by a distance, where small is good.

No agreement of views, since blur raises it.
"""


class MonitorConfig(Config):
    """Measurements of G_ema in the course of a training."""

    every_kimg: NonNegativeFloat = 200.0
    """Images between two measurements, in thousands, in whole ticks, and once at the end; 0 never
    measures."""
    num_images: int = Field(default=1000, ge=2)
    """Generated images per branch, and as many real ones of the split val; where it is too small,
    also images of train that `evaluate` does not compare with; fewer where there are no more."""
    num_identities: PositiveInt = 64
    """Objects that are rendered from several sides."""
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
class BatchFeatures:
    """Features and patches of a batch of images, from which distances are computed."""

    features: Float[Tensor, "n d"]
    patches: Patches


class Monitor:
    """Measures a generator as often as asked, always alike."""

    def __init__(
        self, cfg: MonitorConfig, real: Validation, labels: Float[Tensor, "m 25"],
        average_label: Float[Tensor, "1 25"], pitch_rad: float, group: ProcessGroup,
    ):  # fmt: skip
        """Draws cameras of images from `labels`; views of one object are `pitch_rad` high.

        All processes of `group` must call `measure`; all get the same numbers.
        """
        self.cfg, self.real, self.group = cfg, real, group
        self._labels, self._average_label, self._pitch_rad = labels, average_label, pitch_rad
        self._network = RandomConvFeatures().to(labels.device)
        self._real_features: list[BatchFeatures] | None = None

    @torch.no_grad()
    def measure(self, G: Generator) -> dict[str, float]:
        """All metrics by name, such as val/2d/swd; those that nothing could be compared for miss.

        A generator without detail planes has its 2D branch measured only.
        """
        branches = trained_branches(G)
        if self._real_features is None:
            self._real_features = list(self._extract_real(G.config.image_resolution))
        fakes = self.group.gather(list(self._extract_generated(G, branches)))
        scores = self.group.gather(list(self._score_views(G, branches)))
        metrics = {}
        for branch in branches:
            values = distances(self._real_features, [features[branch] for features in fakes])
            values |= means([score[branch] for score in scores])
            metrics |= {f"val/{branch}/{name}": value for name, value in values.items()}
        return metrics

    def _extract_real(self, resolution: int) -> Iterator[BatchFeatures]:
        first = 0
        for image in self.real.batches(self.cfg.batch):
            yield self._extract(resize(image.to(self._labels.device), resolution), first)
            first += len(image)

    def _extract_generated(
        self, G: Generator, branches: tuple[Branch, ...]
    ) -> Iterator[tuple[int, dict[Branch, BatchFeatures]]]:
        for batch in self.group.batches(self.real.num, self.cfg.batch):
            first = batch.start
            z, rows = draw_latents(first, len(batch), G.config.z_dim, len(self._labels), SEED)
            c = self._labels[rows.to(self._labels.device)]
            objects = synthesize_objects(G, G.mapping(z.to(c.device), c))
            cameras = cameras_from_labels(c)
            yield (
                first,
                {
                    branch: self._extract(objects.render(cameras, branch).image, first)
                    for branch in branches
                },
            )

    def _extract(self, images: Float[Tensor, "n 3 h w"], first: int) -> BatchFeatures:
        quantised = to_uint8(images)
        features = self._network(quantised).cpu()
        return BatchFeatures(features, sample_patches(quantised, first, PATCHES))

    def _score_views(
        self, G: Generator, branches: tuple[Branch, ...]
    ) -> Iterator[tuple[int, dict[Branch, dict[str, Tensor]]]]:
        for batch in self.group.batches(self.cfg.num_identities, self.cfg.batch):
            z, _ = draw_latents(batch.start, len(batch), G.config.z_dim, 1, SEED)
            c = self._average_label.expand(len(batch), -1)
            objects = synthesize_objects(G, G.mapping(z.to(c.device), c))
            yield (
                batch.start,
                {branch: score_agreement(objects, self._pitch_rad, branch) for branch in branches},
            )


def score_agreement(
    objects: Objects, pitch_rad: float, branch: Branch
) -> dict[str, Float[Tensor, " n"]]:
    """Scores of each object by name: warp at one baseline, flow, and non-flatness."""
    device, scene = objects.device, objects.G.scene
    pitch = torch.full((len(objects),), pitch_rad, device=device)

    def at(yaw: Float[Tensor, " n"]) -> PosedView:
        return objects.render(orbit_cameras(yaw, pitch, scene).to(device), branch)

    front = at(torch.zeros_like(pitch))
    pair = pair_scores(front, at(torch.full_like(pitch, BASELINE_RAD)), WARP)
    step = flow_steps(front, pitch_rad, scene, WARP, FLOW)
    flow = flow_scores(at(-step), front, at(step), WARP)
    shape = flatness(front.depth, front.alpha, scene.near, scene.far)
    scores = {f"{name}_at_{BASELINE_RAD:g}": value for name, value in vars(pair).items()}
    scores |= vars(flow) | vars(shape)
    scores["transparent_share"] = (front.alpha < OPAQUE).float().mean(dim=(1, 2, 3))
    return {name: value.cpu() for name, value in scores.items()}


def explain_missing(metrics: Mapping[str, float]) -> list[str]:
    """A sentence for each branch whose views could not be compared because nothing is solid."""
    return [
        f"no agreement of views of the {branch} branch: "
        f"{metrics[share]:.0%} of its pixels are transparent (alpha < {OPAQUE:g})"
        for branch in ("2d", "3d")
        if (share := f"val/{branch}/transparent_share") in metrics
        and f"val/{branch}/warp_psnr_at_{BASELINE_RAD:g}" not in metrics
    ]


def distances(real: list[BatchFeatures], fake: list[BatchFeatures]) -> dict[str, float]:
    """Frechet distance of random features, and the mean sliced Wasserstein distance of levels."""
    real_stats, fake_stats = (
        sum(
            (FeatureStats.of(batch.features) for batch in batches),
            start=FeatureStats.empty(RandomConvFeatures.dim),
        )
        for batches in (real, fake)
    )
    real_patches, fake_patches = (
        merge_patches([batch.patches for batch in batches]) for batches in (real, fake)
    )
    levels = sliced_wasserstein(real_patches, fake_patches, PATCHES)
    return {
        "fd_random_conv": frechet_distance(real_stats, fake_stats),
        "swd": sum(levels.values()) / len(levels),
    }


def means(scores: list[dict[str, Float[Tensor, " _"]]]) -> dict[str, float]:
    """Means over the objects that could be compared; without the scores of none."""
    mean = {}
    for name in scores[0]:
        values = torch.cat([batch[name] for batch in scores]).double()
        values = values[values.isfinite()]
        if len(values):
            mean[name] = float(values.mean())
    return mean
