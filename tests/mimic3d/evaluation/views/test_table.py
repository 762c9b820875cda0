from dataclasses import fields

import pytest

from mimic3d.evaluation.views.table import METRICS, metric_info
from mimic3d.metrics.branches import GapScores
from mimic3d.metrics.consistency import PairScores
from mimic3d.metrics.faces import Deep3DScores
from mimic3d.metrics.flatness import FlatnessScores
from mimic3d.metrics.flow import FlowScores
from mimic3d.metrics.probe import ProbeScores
from mimic3d.metrics.refit import RefitScores

CLASSES = (
    GapScores, PairScores, Deep3DScores, FlatnessScores, FlowScores, ProbeScores, RefitScores
)  # fmt: skip


def test_every_score_has_an_entry():
    scores = {field.name for kind in CLASSES for field in fields(kind)}
    assert set(METRICS) == scores | {"warp_lpips", "nfs_3dgp", "arcface_id"}
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.meaning.endswith(".")
        assert "\n" not in metric.meaning


def test_a_baseline_is_no_part_of_the_metric():
    assert metric_info("warp_psnr_at_0.2") is METRICS["warp_psnr"]
    assert metric_info("nfs_3dgp") is METRICS["nfs_3dgp"]
    with pytest.raises(ValueError, match=r"is warp_beauty_at_0\.2"):
        metric_info("warp_beauty_at_0.2")
