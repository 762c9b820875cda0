import math

import pandas as pd
import pytest

from mimic3d.evaluation.report.plots import (
    chart_of,
    plot_consistency,
    plot_history,
    plot_samples,
    save_plots,
    wide_table,
)

VALUES = {
    "2d/fid": 5.0, "3d/fid": 6.0, "3d/fid_at_24_samples": 9.0, "3d/fid_at_192_samples": 5.5,
    "2d/fid_at_24_samples": 7.0, "floor/fid": 1.5, "untrained/2d/fid": 300.0, "3d/fid_3d": 8.0,
    "3d/kid": 0.1,
}  # fmt: skip
SCORES = pd.DataFrame(
    [
        ("3d", "warp_psnr_at_0.4", 31.0, 30.0, 32.0, 16),
        ("3d", "warp_psnr_at_0.05", 45.0, 44.0, 46.0, 16),
        ("2d", "warp_psnr_at_0.05", 37.0, 36.0, 38.0, 16),
        ("2d", "warp_psnr_at_0.4", math.nan, math.nan, math.nan, 0),
        ("ceiling", "warp_psnr_at_0.05", 38.0, 37.0, 39.0, 16),
        ("3d", "warp_psnr_hf_at_0.05", 1.0, 1.0, 1.0, 16),
        ("3d", "nfs", 12.0, 11.0, 13.0, 16),
    ],
    columns=["branch", "metric", "mean", "low", "high", "num"],
)


def rows(plot):
    return wide_table(plot).astype(float).fillna(-1).to_numpy().tolist()


def test_distances_by_samples_hold_the_generators_own_number_and_the_floor():
    plot = plot_samples(VALUES, "fid", own_samples=96)
    assert list(wide_table(plot)) == ["samples", "2d", "3d", "floor"]
    assert rows(plot) == [[24, 7, 9, 1.5], [96, 5, 6, 1.5], [192, -1, 5.5, 1.5]]
    assert [line.is_reference for line in chart_of(plot).lines] == [False, False, True]


def test_consistency_by_yaw_keeps_intervals_and_one_metric():
    plot = plot_consistency(SCORES, "warp_psnr", "dB")
    assert list(wide_table(plot)) == ["yaw_rad", "2d", "3d", "ceiling"]
    assert rows(plot) == [[0.05, 37, 45, 38], [0.4, -1, 31, -1]]
    lines = {line.name: line for line in chart_of(plot).lines}
    assert list(lines["3D branch"].x) == [0.05, 0.4]
    assert list(lines["3D branch"].low) == [44, 30]
    assert list(lines["3D branch"].high) == [46, 32]


def test_history_goes_by_images():
    table = pd.DataFrame({"nimg": [200, 100], "branch": ["2d", "2d"], "value": [3.0, 4.0]})
    plot = plot_history(table, "fid")
    assert rows(plot) == [[100, 4, -1, -1], [200, 3, -1, -1]]
    (line,) = chart_of(plot).lines
    assert list(line.x) == [100, 200]


def test_what_was_not_measured_is_nan_in_the_file_since_dvc_draws_empty_cells_as_0(tmp_path):
    save_plots([plot_consistency(SCORES, "warp_psnr", "dB")], tmp_path)
    assert (tmp_path / "consistency_by_yaw.csv").read_text() == (
        "yaw_rad,2d,3d,ceiling\n0.05,37,45,38\n0.4,NaN,31,NaN\n"
    )
    assert (tmp_path / "consistency_by_yaw.svg").read_text().startswith("<svg ")


@pytest.mark.parametrize(
    "plot",
    [
        plot_samples({}, "fid", 96),
        plot_consistency(SCORES.iloc[:0], "warp_psnr", "dB"),
        plot_history(pd.DataFrame({"nimg": [], "branch": [], "value": []}), "fid"),
    ],
)
def test_files_have_all_columns_even_without_a_row(plot, tmp_path):
    save_plots([plot], tmp_path)
    (line,) = (tmp_path / f"{plot.name}.csv").read_text().splitlines()
    assert line == f"{plot.x},2d,3d,{plot.reference}"
    assert "nothing was measured" in (tmp_path / f"{plot.name}.svg").read_text()
