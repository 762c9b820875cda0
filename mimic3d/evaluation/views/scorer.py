"""All scores of objects, whether a generator made them or they are true."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch

from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.metric import (
    JointViewMetric,
    Row,
    ScoringNetworks,
    SharedSettings,
    ViewMetric,
)
from mimic3d.evaluation.views.objects import ObjectViews, ViewSource, draw_angles
from mimic3d.evaluation.views.probe import ProbeMetric
from mimic3d.evaluation.views.scores import NUM_FACE_VIEWS, WarpMetric
from mimic3d.evaluation.views.table import VIEW_METRICS, settings_of

COLUMNS = ["branch", "metric", "identity", "value"]


@dataclass
class ObjectScores:
    """Scores of one object, and the measurements that joint metrics gather of it."""

    rows: list[Row] = field(default_factory=list)
    observed: dict[tuple[str, str], Any] = field(default_factory=dict)
    """Measurements by metric and branch; they become scores beside those of other objects."""


class ViewScorer:
    """Scorer that takes the scores a config asks for."""

    def __init__(self, ctx: EvaluationContext, cfg: ConsistencyConfig, networks: ScoringNetworks):
        self.ctx, self.cfg = ctx, cfg
        self._metrics = build_metrics(cfg, networks)

    def angles(self, identity: int) -> torch.Tensor:
        """The drawn views of an object, for the probe and the networks for faces."""
        num = max(settings_of(self.cfg, ProbeMetric).num_views, NUM_FACE_VIEWS)
        return draw_angles(self.ctx.manifest, identity, num, self.ctx.sampling.seed)

    def score(self, sources: Mapping[str, ViewSource], identity: int) -> ObjectScores:
        """All scores of one object, by branch."""
        scores, angles = ObjectScores(), self.angles(identity)
        for branch in sources:
            views = ObjectViews(identity, branch, sources, angles, self.ctx.pitch_rad)
            for metric in self._metrics:
                values = metric.measure(views)
                scores.rows += [(branch, name, identity, value) for name, value in values.items()]
                if isinstance(metric, JointViewMetric):
                    observed = metric.observe(views)
                    if observed is not None:
                        scores.observed[metric.name, branch] = observed
        return scores

    def score_all(
        self, sources_of: Callable[[int], Mapping[str, ViewSource]], text: str
    ) -> pd.DataFrame:
        """Scores of all objects as a tidy table, dealt to the processes object by object."""
        num, group, mine = self.cfg.num_identities, self.ctx.group, []
        for (identity,) in group.batches(num, 1):
            mine.append((identity, self.score(sources_of(identity), identity)))
            self.ctx.advance(1, text)
        objects = group.gather(mine)
        rows = [row for scores in objects for row in scores.rows]
        angles = [self.angles(identity) for identity in range(num)]
        for metric in self._metrics:
            if isinstance(metric, JointViewMetric):
                for name, branch in objects[0].observed:
                    if name == metric.name:
                        observed = [scores.observed[name, branch] for scores in objects]
                        rows += metric.score(branch, observed, angles)
        return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def build_metrics(cfg: ConsistencyConfig, networks: ScoringNetworks) -> list[ViewMetric[Any]]:
    """The metrics that are taken, in the order of the table."""
    shared = SharedSettings(cfg.baselines_rad, settings_of(cfg, WarpMetric))
    return [
        metric(settings_of(cfg, metric), shared, networks)
        for metric in VIEW_METRICS
        if metric.name in cfg.scores or not metric.is_listed
    ]
