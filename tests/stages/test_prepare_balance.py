import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from mimic3d.data.dataset import ImageDataset
from mimic3d.preparation.balance import RebalanceConfig
from mimic3d.preparation.sources.given import GivenConfig
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, run


def test_rare_poses_weigh_more_and_the_report_says_how_many_are_left(studio, tmp_path):
    studio.write_transforms(tmp_path)
    given = GivenConfig(path="scene", val_share=0)
    balance = RebalanceConfig(strength=1, num_bins=3)
    cfg = PrepareConfig(
        name="toy", source="given", resolution=16, given=given, rebalance=balance, mirror=False
    )
    run(cfg, tmp_path, SilentTracker())
    rows = pq.read_table(tmp_path / "data/toy/train-00000-of-00001.parquet").to_pylist()
    edges = np.linspace(min(r["yaw"] for r in rows), max(r["yaw"] for r in rows), 4)
    bins = np.clip(np.digitize([r["yaw"] for r in rows], edges) - 1, 0, 2)
    sums = [sum(r["weight"] for r, b in zip(rows, bins, strict=True) if b == k) for k in range(3)]
    assert sums == pytest.approx([max(sums)] * 3)
    metrics = json.loads((tmp_path / "reports/prepare/metrics.json").read_text())
    weights = np.array([row["weight"] for row in rows])
    assert metrics["effective_train"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    dataset = ImageDataset(tmp_path / "data" / "toy", "train", tmp_path / "cache")
    np.testing.assert_allclose(dataset.weights, weights)
