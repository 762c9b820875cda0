import math

import numpy as np
import pandas as pd
import pytest

from mimic3d.evaluation.views.summary import named_means, summarize, worst_identities
from mimic3d.metrics.bootstrap import BootstrapConfig, bootstrap_interval

NAN = math.nan
VALUES = {
    ("3d", "warp_psnr_at_0.2"): [30.0, 20.0, NAN, 25.0],
    ("3d", "warp_hf_at_0.2"): [0.3, 0.1, NAN, 0.3],
    ("3d", "flow_ratio"): [1.0, 1.0, 1.0, 1.0],
    ("2d", "warp_psnr_at_0.2"): [NAN] * 4,
    ("floor", "probe_id_cos"): [0.5, 0.25, 0.0, 0.25],
}
SAMPLES = pd.DataFrame(
    [
        (branch, metric, identity, value)
        for (branch, metric), values in VALUES.items()
        for identity, value in enumerate(values)
    ],
    columns=["branch", "metric", "identity", "value"],
)
FEW = BootstrapConfig(num_resamples=200)


def test_means_and_intervals_of_every_metric():
    summary = summarize(SAMPLES, FEW)
    assert list(summary.columns) == ["branch", "metric", "mean", "low", "high", "num"]
    rows = summary.set_index(["branch", "metric"])
    assert list(rows.index) == list(VALUES)
    assert rows.loc[("3d", "warp_psnr_at_0.2"), "mean"] == pytest.approx(25)
    assert list(rows["num"]) == [3, 3, 4, 0, 4]
    expected = bootstrap_interval(np.array([0.3, 0.1, NAN, 0.3]), np.arange(4), FEW)
    row = rows.loc[("3d", "warp_hf_at_0.2")]
    assert (row["mean"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
    assert rows.loc[("2d", "warp_psnr_at_0.2")].drop("num").isna().all()


def test_names_of_what_could_be_scored():
    means = named_means(summarize(SAMPLES, FEW))
    assert set(means) == {
        "3d/warp_psnr_at_0.2", "3d/warp_hf_at_0.2", "3d/flow_ratio", "floor/probe_id_cos"
    }  # fmt: skip
    assert means["floor/probe_id_cos"] == pytest.approx(0.25)


def test_the_worst_come_first_in_the_direction_of_the_metric():
    assert worst_identities(SAMPLES, "3d", "warp_psnr_at_0.2", 2) == [1, 3]
    assert worst_identities(SAMPLES, "3d", "warp_hf_at_0.2", 9) == [0, 3, 1]
    assert worst_identities(SAMPLES, "2d", "warp_psnr_at_0.2", 2) == []


@pytest.mark.parametrize(
    ("branch", "metric", "message"),
    [
        ("3d", "flow_ratio", "better high or low, flow_ratio is neither"),
        ("3d", "nfs", "3d/nfs was not; there are flow_ratio, warp_hf_at_0.2, warp_psnr_at_0.2"),
        ("ceiling", "nfs", "there are none"),
        ("3d", "beauty", "a multi-view metric must be one of"),
    ],
)
def test_impossible_galleries_are_refused(branch, metric, message):
    with pytest.raises(ValueError, match=message):
        worst_identities(SAMPLES, branch, metric, 2)
