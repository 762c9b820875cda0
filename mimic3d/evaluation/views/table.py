"""The table of multi-view metrics: a new one is a class in a file and a line here.

Parameters, meanings in the report and protocol records follow from the table.
"""

from typing import Any

from pydantic import Field, create_model

from mimic3d.config import Config
from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.evaluation.views.metric import NoSettings, ViewMetric
from mimic3d.evaluation.views.probe import ProbeMetric
from mimic3d.evaluation.views.published_flatness import PublishedFlatnessMetric
from mimic3d.evaluation.views.scores import (
    FacesMetric,
    FlatnessMetric,
    FlowMetric,
    GapMetric,
    RefitMetric,
    WarpMetric,
)

VIEW_METRICS: tuple[type[ViewMetric[Any]], ...] = (
    WarpMetric,
    FlowMetric,
    FlatnessMetric,
    PublishedFlatnessMetric,
    GapMetric,
    ProbeMetric,
    RefitMetric,
    FacesMetric,
)

METRICS: dict[str, MetricInfo] = {
    info.name: info for metric in VIEW_METRICS for info in metric.infos
}
"""Metric infos of all multi-view scores, by name without its baseline."""

LISTED: tuple[str, ...] = tuple(metric.name for metric in VIEW_METRICS if metric.is_listed)
"""Words that evaluate.consistency.scores may have."""

SETTINGS: dict[str, Any] = {
    metric.name: (metric.config, Field(metric.config(), description=metric.config.__doc__))
    for metric in VIEW_METRICS
    if metric.config is not NoSettings
}
MetricSettings = create_model("MetricSettings", __base__=Config, **SETTINGS)


def metric_info(name: str) -> MetricInfo:
    """The metric behind a full name such as warp_psnr_at_0.2.

    Raises:
        ValueError: there is none.
    """
    info = METRICS.get(name.partition("_at_")[0])
    if info is None:
        raise ValueError(f"a multi-view metric must be one of {', '.join(METRICS)}, is {name}")
    return info


def settings_of(cfg: Config, metric: type[ViewMetric[Any]]) -> Any:
    """The parameters of one metric in evaluate.consistency."""
    return NoSettings() if metric.config is NoSettings else getattr(cfg, metric.name)
