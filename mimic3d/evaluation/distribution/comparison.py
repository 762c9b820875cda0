"""Two sets of images compared in every way, with the names their distances have."""

from dataclasses import dataclass
from typing import Literal

import torch

from mimic3d.config import Config
from mimic3d.evaluation.distribution.features import ImageSet
from mimic3d.metrics.bootstrap import Interval
from mimic3d.metrics.frechet import frechet_of_features
from mimic3d.metrics.kernel import KernelConfig, kernel_distance
from mimic3d.metrics.neighbours import NeighboursConfig, precision_recall
from mimic3d.metrics.sliced_wasserstein import PatchConfig, sliced_wasserstein

Estimate = Literal["fd", "kd", "precision", "recall"]
INCEPTION = {"fd": "fid", "kd": "kid", "precision": "precision", "recall": "recall"}


class EstimatorConfig(Config):
    """How two sets of images are compared."""

    patches: PatchConfig = PatchConfig()
    """Of the sliced Wasserstein distance."""
    kernel: KernelConfig = KernelConfig()
    """Of the kernel distance."""
    neighbours: NeighboursConfig = NeighboursConfig()
    """Of precision and recall."""


@dataclass(frozen=True)
class Comparison:
    """Distances by name, and the intervals of those that have one."""

    values: dict[str, float]
    intervals: dict[str, Interval]
    networks: dict[str, str]
    """Whose features each value compares; `swd` for patches."""


def metric_name(estimate: Estimate, network: str) -> str:
    """`fid` and `kid` are by Inception only; others carry the name of their network."""
    return INCEPTION[estimate] if network == "inception" else f"{estimate}_{network}"


def compare(
    real: ImageSet, fake: ImageSet, cfg: EstimatorConfig, device: torch.device
) -> Comparison:
    """All distances of a set from the real one; `swd_64` is that of the level of side 64.

    Large products of features are computed on `device`, eigenvalues on the CPU.
    """
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    networks: dict[str, str] = {}
    for network in real.features:
        a, b = real.features[network], fake.features[network]
        values[metric_name("fd", network)] = frechet_of_features(a, b)
        a, b = a.to(device), b.to(device)
        kernel = kernel_distance(a, b, cfg.kernel)
        values[metric_name("kd", network)] = kernel.mean
        intervals[metric_name("kd", network)] = kernel
        shares = precision_recall(a, b, cfg.neighbours)
        values[metric_name("precision", network)] = shares.precision
        values[metric_name("recall", network)] = shares.recall
        networks |= {name: network for name in values if name not in networks}
    assert real.patches is not None
    assert fake.patches is not None
    levels = sliced_wasserstein(real.patches, fake.patches, cfg.patches)
    values["swd"] = sum(levels.values()) / len(levels)
    values |= {f"swd_{side}": value for side, value in levels.items()}
    networks |= {name: "swd" for name in values if name not in networks}
    return Comparison(values, intervals, networks)
