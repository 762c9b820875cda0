"""The table of distribution metrics: a new one is a function in a file and a line here.

Parameters, names, meanings in the report and protocol records follow from the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field as ConfigField
from pydantic import JsonValue, create_model
from torch import Tensor

from mimic3d.config import Config
from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.metrics.bootstrap import Interval
from mimic3d.metrics.frechet import frechet_of_features
from mimic3d.metrics.kernel import KernelConfig, kernel_distance
from mimic3d.metrics.neighbours import NeighboursConfig, precision_recall
from mimic3d.metrics.sliced_wasserstein import PatchConfig, Patches, sliced_wasserstein

Values = dict[str, float | Interval]
"""Numbers by name; an Interval where one is known."""


@dataclass(frozen=True)
class FeatureMetric:
    """A comparison of two sets of features of one network."""

    measure: Callable[[Float[Tensor, "n d"], Float[Tensor, "m d"], Any], Values]
    """Function of real and generated features and the metric's parameters to its numbers; of large
    products, those on a GPU are taken there."""
    infos: tuple[MetricInfo, ...]
    setting: str | None = None
    """Name of its parameters in evaluate.distribution and in the protocol; None has none."""
    config: type[Config] | None = None


@dataclass(frozen=True)
class PatchMetric:
    """A comparison of two sets of patches of images."""

    measure: Callable[[Patches, Patches, Any], Values]
    infos: tuple[MetricInfo, ...]
    setting: str
    config: type[Config]


def _frechet(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], cfg: None) -> Values:
    return {"fd": frechet_of_features(real.cpu(), fake.cpu())}


def _kernel(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], cfg: KernelConfig) -> Values:
    return {"kd": kernel_distance(real, fake, cfg)}


def _neighbours(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], cfg: NeighboursConfig
) -> Values:
    both = precision_recall(real, fake, cfg)
    return {"precision": both.precision, "recall": both.recall}


def _patches(real: Patches, fake: Patches, cfg: PatchConfig) -> Values:
    levels = sliced_wasserstein(real, fake, cfg)
    mean = sum(levels.values()) / len(levels)
    return {"swd": mean, **{f"swd_{side}": value for side, value in levels.items()}}


SLICED_WASSERSTEIN = PatchMetric(_patches, (
    MetricInfo("swd_*", "", "low", "Sliced Wasserstein distance of patches at this resolution."),
    MetricInfo("swd", "", "low", "Sliced Wasserstein distance, mean over resolutions, x 1000."),
), "patches", PatchConfig)  # fmt: skip

DISTRIBUTION_METRICS: tuple[FeatureMetric | PatchMetric, ...] = (
    FeatureMetric(_frechet, (
        MetricInfo("fid", "", "low", "Frechet distance of Inception features (FID)."),
        MetricInfo("fd_*", "", "low", "Frechet distance of features of another network: no FID, "
                   "compares with itself."),
    )),
    FeatureMetric(_kernel, (
        MetricInfo("kid", "", "low", "Unbiased kernel distance of Inception features (KID)."),
        MetricInfo("kd_*", "", "low", "Unbiased kernel distance of features of another network."),
    ), "kernel", KernelConfig),
    FeatureMetric(_neighbours, (
        *(MetricInfo(name, "", "high", "Fraction of generated images within the manifold of real "
                     "ones.") for name in ("precision", "precision_*")),
        *(MetricInfo(name, "", "high", "Fraction of real images within the manifold of generated "
                     "ones.") for name in ("recall", "recall_*")),
    ), "neighbours", NeighboursConfig),
    SLICED_WASSERSTEIN,
)  # fmt: skip
DISTANCES = tuple(info for metric in DISTRIBUTION_METRICS for info in metric.infos)
"""Metric infos of all distances."""

SETTINGS: dict[str, Any] = {
    metric.setting: (metric.config, ConfigField(metric.config(), description=metric.config.__doc__))
    for metric in DISTRIBUTION_METRICS
    if metric.setting is not None and metric.config is not None
}
EstimatorSettings = create_model("EstimatorSettings", __base__=Config, **SETTINGS)


class EstimatorConfig(EstimatorSettings):
    """Estimators that compare two sets of images: the parameters of every metric of the table."""


INCEPTION = {"fd": "fid", "kd": "kid", "precision": "precision", "recall": "recall"}


@dataclass(frozen=True)
class ImageSet:
    """A set of images, on the CPU."""

    features: dict[str, Float[Tensor, "n _"]]
    """Features by the label of their network."""
    patches: Patches | None


@dataclass(frozen=True)
class DistanceValues:
    """Distances by name, and the intervals of those that have one."""

    values: dict[str, float]
    intervals: dict[str, Interval]
    networks: dict[str, str]
    """Network whose features each value compares; `swd` for patches."""


def metric_name(metric: str, network: str) -> str:
    """Full name of a metric: `fid`, `kid` by Inception only; others carry their network's name."""
    return INCEPTION.get(metric, metric) if network == "inception" else f"{metric}_{network}"


def compare(
    real: ImageSet, fake: ImageSet, cfg: EstimatorConfig, device: torch.device
) -> DistanceValues:
    """All distances of a set from the real one; `swd_64` is that of the level of side 64.

    Large products of features are computed on `device`, eigenvalues on the CPU.
    """
    numbers: Values = {}
    networks: dict[str, str] = {}
    for network in real.features:
        a, b = real.features[network].to(device), fake.features[network].to(device)
        for metric in DISTRIBUTION_METRICS:
            if isinstance(metric, FeatureMetric):
                measured = metric.measure(a, b, settings_of(cfg, metric))
                named = {metric_name(name, network): value for name, value in measured.items()}
                numbers |= named
                networks |= dict.fromkeys(named, network)
    assert real.patches is not None
    assert fake.patches is not None
    for metric in DISTRIBUTION_METRICS:
        if isinstance(metric, PatchMetric):
            measured = metric.measure(real.patches, fake.patches, settings_of(cfg, metric))
            numbers |= measured
            networks |= dict.fromkeys(measured, "swd")
    intervals = {name: value for name, value in numbers.items() if isinstance(value, Interval)}
    values = {
        name: value.mean if isinstance(value, Interval) else value
        for name, value in numbers.items()
    }
    return DistanceValues(values, intervals, networks)


def settings_of(cfg: EstimatorConfig, metric: FeatureMetric | PatchMetric) -> Any:
    """The parameters of one metric; None if it has none."""
    return None if metric.setting is None else getattr(cfg, metric.setting)


def record_settings(cfg: EstimatorConfig, of_patches: bool) -> dict[str, JsonValue]:
    """Parameters of the metrics of features, or of patches, by name."""
    return {
        metric.setting: settings_of(cfg, metric).model_dump(mode="json")
        for metric in DISTRIBUTION_METRICS
        if metric.setting is not None and isinstance(metric, PatchMetric) == of_patches
    }
