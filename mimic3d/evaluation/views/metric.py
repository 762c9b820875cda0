"""Base classes of multi-view metrics: a new one is a class in a file and a line in `table.py`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch

from mimic3d.config import Config
from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.evaluation.views.objects import ObjectViews
from mimic3d.losses.perceptual import PerceptualNetwork
from mimic3d.metrics.consistency import WarpConfig
from mimic3d.metrics.probe import Probe

C = TypeVar("C", bound=Config)
Row = tuple[str, str, int, float]
"""Score as a row: branch, metric, identity, value."""


@dataclass(frozen=True)
class ScoringNetworks:
    """The networks that metrics may use; None where one is not asked for, or cannot be."""

    probe: Probe | None
    lpips: PerceptualNetwork | None
    arcface: torch.jit.ScriptModule | None
    deep3d: torch.jit.ScriptModule | None
    sha256: dict[str, str]
    """SHA-256 of the weight files, by what they are for."""


@dataclass(frozen=True)
class SharedSettings:
    """Parameters of evaluate.consistency that are not of one metric alone."""

    baselines_rad: tuple[float, ...]
    warp: WarpConfig


class NoSettings(Config):
    """Parameters of a metric that has none."""


class ViewMetric(ABC, Generic[C]):
    """A group of scores of single objects.

    `evaluate.consistency` has the metric's parameters under its name, and the protocol records
    them.
    """

    name: ClassVar[str]
    """Name of the metric, and the word in `evaluate.consistency.scores` that asks for it."""
    infos: ClassVar[tuple[MetricInfo, ...]]
    config: ClassVar[type[Config]] = NoSettings
    description: ClassVar[str]
    """Subject of the scores, in a few words."""
    uses: ClassVar[tuple[str, ...]] = ()
    """Metrics whose parameters count here, too."""
    is_listed: ClassVar[bool] = True
    """True if `scores` asks for it; else it is taken where its networks are there."""

    def __init__(self, cfg: C, shared: SharedSettings, networks: ScoringNetworks):
        self.cfg, self.shared, self.networks = cfg, shared, networks

    @abstractmethod
    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Scores of one object by name; empty where it has none."""


class JointViewMetric(ViewMetric[C]):
    """Scores that depend on all objects together: the measurements of each are gathered first."""

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """No scores: single objects have none."""
        return {}

    @abstractmethod
    def observe(self, views: ObjectViews) -> Any:
        """Measurements of one object for `score`, on the CPU; None where there are none."""

    @abstractmethod
    def score(self, branch: str, observed: Sequence[Any], angles: Sequence[Any]) -> list[Row]:
        """Scores of all objects of a branch, from what was observed and their drawn views."""
