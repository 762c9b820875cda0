"""All scores of one object, whether a generator made it or it is true."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
import torch

from mimic3d.data.schema import Manifest
from mimic3d.evaluation.share import Share
from mimic3d.evaluation.views.angles import draw_angles
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.motion import score_motion
from mimic3d.evaluation.views.networks import Instruments
from mimic3d.evaluation.views.objects import Sitter
from mimic3d.evaluation.views.probe import read_sitter
from mimic3d.evaluation.views.recognition import NUM_VIEWS, score_faces
from mimic3d.evaluation.views.refitting import score_refit
from mimic3d.evaluation.views.scores import score_gap, score_pairs
from mimic3d.evaluation.views.shape import score_shape
from mimic3d.metrics.probe import ProbeReadings, probe_scores

COLUMNS = ["branch", "metric", "identity", "value"]
Row = tuple[str, str, int, float]
"""Branch, metric, identity, value."""


@dataclass
class Examined:
    """What was found about one object."""

    rows: list[Row] = field(default_factory=list)
    readings: dict[str, ProbeReadings] = field(default_factory=dict)
    """Of the probe, by branch; they become scores beside those of other objects."""


@dataclass(frozen=True)
class Examiner:
    """Takes the scores that a config asks for."""

    manifest: Manifest
    cfg: ConsistencyConfig
    instruments: Instruments
    seed: int
    """Of the drawn views."""

    @property
    def pitch_rad(self) -> float:
        """Pitch of all views that are not drawn: the mean of the dataset."""
        return self.manifest.poses["pitch_mean_rad"]

    def angles(self, identity: int) -> torch.Tensor:
        """The drawn views of an object, for the probe and the networks for faces."""
        num = max(self.cfg.probe.num_views, NUM_VIEWS)
        return draw_angles(self.manifest, identity, num, self.seed)

    def examine(self, sitters: Mapping[str, Sitter], identity: int) -> Examined:
        """All scores of one object, by branch."""
        found = Examined()
        for branch, sitter in sitters.items():
            scores = self._scores(sitter, identity)
            if branch == "3d" and "gap" in self.cfg.scores:
                scores |= score_gap(sitter, sitters["2d"], self.pitch_rad)
            found.rows += [(branch, name, identity, value) for name, value in scores.items()]
            if self.instruments.probe is not None:
                angles = self.angles(identity)[: self.cfg.probe.num_views]
                found.readings[branch] = read_sitter(self.instruments.probe, sitter, angles)
        return found

    def _scores(self, sitter: Sitter, identity: int) -> dict[str, float]:
        cfg, scene, pitch, tools = self.cfg, self.manifest.scene, self.pitch_rad, self.instruments
        found = {}
        if "warp" in cfg.scores:
            found |= score_pairs(sitter, pitch, cfg.baselines_rad, cfg.warp, tools.lpips)
        if "flow" in cfg.scores:
            found |= score_motion(sitter, pitch, scene, cfg.warp, cfg.flow)
        if "flatness" in cfg.scores:
            found |= score_shape(sitter, pitch, scene)
        if "refit" in cfg.scores and identity < cfg.refit.num_identities:
            found |= score_refit(sitter, pitch, scene.box_warp, cfg.refit.fit)
        angles = self.angles(identity)
        return found | score_faces(sitter, angles, cfg.faces, tools.arcface, tools.deep3d)

    def walk(
        self, sit: Callable[[int], Mapping[str, Sitter]], share: Share,
        advance: Callable[[int, str], None], text: str,
    ) -> pd.DataFrame:  # fmt: skip
        """Scores of all objects as a tidy table, dealt to the processes object by object."""
        mine = []
        for (identity,) in share.batches(self.cfg.num_identities, 1):
            mine.append((identity, self.examine(sit(identity), identity)))
            advance(1, text)
        objects = share.gather(mine)
        rows = [row for found in objects for row in found.rows]
        if self.instruments.probe is not None:
            for branch in objects[0].readings:
                rows += self._probe_rows(branch, [found.readings[branch] for found in objects])
        return pd.DataFrame(rows, columns=pd.Index(COLUMNS))

    def _probe_rows(self, branch: str, readings: list[ProbeReadings]) -> list[Row]:
        """Scores of all objects; those of two different true objects are the floor of likeness."""
        num, seen = len(readings), self.cfg.probe.num_views
        angles = torch.stack([self.angles(identity)[:seen] for identity in range(num)])
        together = ProbeReadings(
            torch.cat([one.angles for one in readings]),
            torch.cat([one.embeddings for one in readings]),
        )
        rows: list[Row] = []
        for name, values in vars(probe_scores(together, angles)).items():
            where, metric = branch, name
            if name == "probe_id_floor":
                if num < 2:
                    continue  # there is no other object
                if branch == "ceiling":
                    where, metric = "floor", "probe_id_cos"
            rows += [
                (where, metric, identity, value.item()) for identity, value in enumerate(values)
            ]
        return rows
