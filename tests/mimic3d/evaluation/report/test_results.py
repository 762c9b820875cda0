import pandas as pd
import pytest

from mimic3d.cameras import Scene
from mimic3d.evaluation.distribution.distances import Distances
from mimic3d.evaluation.report.results import EvaluationResult, summary_table
from mimic3d.evaluation.views.summary import COLUMNS
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.snapshot import SnapshotMeta


@pytest.fixture
def rows(tiny_config):
    """Cells of the terminal's table by metric."""
    values = {
        "2d/fd_lite0": 4.0, "3d/fd_lite0": 6.0, "floor/fd_lite0": 1.0, "untrained/3d/fd_lite0": 9.0,
        "2d/kid": -0.1, "3d/kid": 0.3, "3d/fid": 5.0,
    }  # fmt: skip
    meta = SnapshotMeta(
        stage="imitate", nimg=1, dataset_fingerprint="0" * 64, average_label=(0.0,) * 25,
        scene=Scene(), generator=tiny_config, discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    scores = pd.DataFrame([("2d", "nfs", 9.0, 8.0, 10.0, 2)], columns=pd.Index(COLUMNS))
    result = EvaluationResult(Distances(values), scores, scores, {}, meta, "toy", "runs/imitate")
    return {
        line.split()[0]: line.split()[1:] for line in summary_table(result).splitlines() if line
    }


def test_the_gap_between_the_branches_stands_beside_both(rows):
    assert rows["fd_lite0"] == ["4", "6", "9", "1", "1.5"]


def test_no_ratio_of_what_may_be_negative_or_misses_a_branch(rows):
    assert rows["kid"] == ["-0.1", "0.3", "-", "-", "-"]
    assert rows["fid"] == ["-", "5", "-", "-", "-"]


def test_views_stand_beside_their_ceiling(rows):
    assert rows["nfs"] == ["9", "-", "-"]
