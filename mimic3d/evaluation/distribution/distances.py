"""Distances of both branches to real images, beside the floor and an untrained generator."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator

from mimic3d.cameras import Scene
from mimic3d.data.reference import Reals
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.distribution.features import FeatureExtractor
from mimic3d.evaluation.distribution.generated import GeneratedFeatures, Variant
from mimic3d.evaluation.distribution.metrics import (
    SLICED_WASSERSTEIN,
    DistanceValues,
    EstimatorConfig,
    compare,
    settings_of,
)
from mimic3d.evaluation.distribution.records import ProtocolRecorder
from mimic3d.evaluation.distribution.references import ReferenceFeatureCache
from mimic3d.evaluation.sampling import CameraDraw, CameraMode
from mimic3d.metrics.bootstrap import Interval
from mimic3d.metrics.feature_networks import build_feature_networks, check_feature_networks
from mimic3d.metrics.features import FeatureNetworkName
from mimic3d.metrics.inception import InceptionConfig
from mimic3d.metrics.kernel import MIN_IMAGES
from mimic3d.metrics.probe import Probe
from mimic3d.metrics.protocol import Protocol
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator, GeneratorConfig

SUFFIXES: dict[CameraMode, str] = {"conditioned": "", "independent": "_independent", "fixed": "_3d"}
"""Suffixes of the names of metrics: `fid`, `fid_independent`, `fid_3d`."""


class DistributionConfig(EstimatorConfig):
    """Distances between generated and real images."""

    num_images: int = Field(default=1024, ge=MIN_IMAGES)
    """Generated images per branch, and as many real ones; at most half of what the dataset has."""
    networks: tuple[FeatureNetworkName, ...] = Field(default=("lite0", "random_conv"), min_length=1)
    """Networks whose features are compared: `lite0`, a learned classifier from an ordinary package;
    `random_conv`, which needs no weights and hardly tells a picture from one upside down;
    `inception`, which makes `fid` and `kid`; `probe`, trained on a synthetic dataset."""
    inception: InceptionConfig = InceptionConfig()
    """Weight file of the network of `inception`."""
    cameras: tuple[CameraMode, ...] = Field(
        default=("conditioned", "independent", "fixed"), min_length=1
    )
    """Cameras that condition G: the one that renders, as in most papers; another of the dataset; or
    the average one (`fid_3d`). The same model scores 4.0, 4.3 and 6.5."""
    samples_per_ray: tuple[Annotated[int, Field(ge=8)], ...] = ()
    """Further numbers of samples along a ray that the conditioned 3D branch is measured with."""
    untrained: bool = True
    """True also measures a generator with fresh weights, the start of training."""

    @model_validator(mode="after")
    def _samples_have_cameras(self) -> "DistributionConfig":
        if self.samples_per_ray and "conditioned" not in self.cameras:
            raise ValueError(
                f"samples_per_ray are measured with conditioned cameras, cameras are "
                f"{', '.join(self.cameras)}; add conditioned or clear samples_per_ray"
            )
        return self


@dataclass(frozen=True)
class Distances:
    """All distances, and the protocols they were measured by."""

    values: dict[str, float] = field(default_factory=dict)
    """Distances by name: `3d/fid`, `2d/fd_random_conv_3d`, `floor/swd_64`, `untrained/3d/kid`,
    `3d/fid_at_24_samples`."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """Intervals of the kernel distances, by the same names."""
    protocols: dict[str, Protocol] = field(default_factory=dict)
    """Protocols by branch, network (or swd) and suffix: `3d/inception_3d`, `2d/swd`. Untrained
    generators have that of the trained ones, the floor has all but cameras and seeds in common with
    them."""
    parts: dict[str, str] = field(default_factory=dict)
    """Key of the protocol of every value."""
    notices: list[str] = field(default_factory=list)
    """Messages for the user."""

    def add(self, who: str, branch: Branch, distances: DistanceValues, suffix: str = "") -> None:
        """Enters distances of a set of images, measured as the images of this branch are."""
        for name, value in distances.values.items():
            self.values[f"{who}/{name}{suffix}"] = value
            self.parts[f"{who}/{name}{suffix}"] = f"{branch}/{distances.networks[name]}{suffix}"
        for name, interval in distances.intervals.items():
            self.intervals[f"{who}/{name}{suffix}"] = interval


def check_distribution(cfg: DistributionConfig, cache: Path) -> None:
    """Cheap checks of the files that the parameters name.

    Raises:
        ValueError: one is missing or of the wrong kind.
    """
    check_feature_networks(cfg.networks, cfg.inception, cache / "weights")


def count_distances(cfg: DistributionConfig) -> int:
    """Number of measurements that `measure_distances` reports to `advance`."""
    return cfg.num_images * (2 + len(cfg.cameras) + cfg.untrained)


@torch.inference_mode()
def measure_distances(
    ctx: EvaluationContext, data: Reals, cfg: DistributionConfig, probe: Probe | None = None
) -> Distances:
    """Distances of both branches, of an untrained generator's and of other real images.

    Every process of the group must call it, and all get the same answer. It depends neither on
    their number nor on `sampling.batch`.

    Raises:
        ValueError: a feature network cannot be had.
    """
    assert data.num == cfg.num_images
    device = ctx.device
    built = build_feature_networks(
        cfg.networks, cfg.inception, probe, ctx.cache / "weights", device
    )
    extractor = FeatureExtractor(built.networks, settings_of(cfg, SLICED_WASSERSTEIN))
    real = ReferenceFeatureCache(ctx, data, extractor)
    generated = GeneratedFeatures(ctx, cfg.num_images, extractor)
    recorder = ProtocolRecorder(ctx, data, cfg)
    labels = data.train.labels.to(device)
    reference, floor = real.features("reference"), real.features("floor")

    distances = Distances(notices=list(built.notices))
    distances.add("floor", "3d", compare(reference, floor, cfg, device))
    for mode in cfg.cameras:
        others = cfg.samples_per_ray if mode == "conditioned" else ()
        cameras = CameraDraw(labels, ctx.average_label, mode)
        text = f"sampling both branches, cameras {mode}"
        for variant, images in generated.extract(ctx.G, cameras, others, text).items():
            suffix, branch = _suffix(variant, mode), variant.branch
            distances.add(branch, branch, compare(reference, images, cfg, device), suffix)
            for network in (*built.networks, None):
                label = network.label if network else "swd"
                record = recorder.record(variant, mode, network)
                distances.protocols[f"{branch}/{label}{suffix}"] = record
    if cfg.untrained:
        fresh = build_untrained(ctx.G.config, ctx.G.scene, ctx.sampling.seed).to(device)
        cameras = CameraDraw(labels, ctx.average_label)
        sets = generated.extract(fresh, cameras, (), "sampling untrained branches")
        for variant, images in sets.items():
            who = f"untrained/{variant.branch}"
            distances.add(who, variant.branch, compare(reference, images, cfg, device))
    return distances


def _suffix(variant: Variant, mode: CameraMode) -> str:
    if variant.samples_per_ray is None:
        return SUFFIXES[mode]
    return f"{SUFFIXES[mode]}_at_{variant.samples_per_ray}_samples"


def build_untrained(cfg: GeneratorConfig, scene: Scene, seed: int) -> Generator:
    """A generator of the same sizes with fresh weights: the start of training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(cfg, scene).eval().requires_grad_(False)
