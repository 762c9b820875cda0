import math

import pandas as pd
import pytest

from experiments.ablation.design import load_design, load_size
from experiments.ablation.quantities import find_quantity
from experiments.ablation.report import Run, write_report
from experiments.ablation.results import find_results

FDS = {"full": 3.0, "stage1": 6.0, "no_imitation": 5.0, "no_aware3d": 2.0, "scratch": 3.0}


def verdicts(bench) -> dict[str, str]:
    findings = find_results(load_design(), bench.read()).findings
    return {f"{each.claim.worse} {each.quantity.metric}": each.verdict for each in findings}


def test_values_of_objects_and_of_sets_come_by_seed(bench):
    bench.add("full", 0, 3.0, [30.0, 32.0])
    bench.add("full", 1, 4.0, [31.0, math.nan])
    outcomes = bench.read()
    assert outcomes.table("3d", "fd_random_conv", "full").to_numpy().tolist() == [[3, 4]]
    views = outcomes.table("2d", "warp_psnr_at_0.2", "full")
    assert views[0].tolist() == [25, 27]
    assert views[1].dropna().tolist() == [26]
    assert outcomes.table("2d", "fd_random_conv", "full").empty
    assert list(outcomes.hashes) == ["3d/random_conv"]


def test_rows_that_were_measured_differently_are_refused(bench):
    bench.add("full", 0, 3.0, [30.0])
    bench.add("scratch", 0, 3.0, [30.0], num_fake=9)
    with pytest.raises(ValueError, match="their num_fake is 8 and 9"):
        bench.read()


def test_a_claim_is_decided_by_the_interval_of_pairs_of_seeds(bench):
    bench.add_all(FDS)
    found = verdicts(bench)
    assert found["stage1/3d fd_random_conv"] == "agrees"
    assert found["no_imitation/3d fd_random_conv"] == "agrees"
    assert found["no_aware3d/3d fd_random_conv"] == "disagrees"
    assert found["scratch/3d fd_random_conv"] == "not decided"
    assert found["full/2d warp_psnr_at_0.2"] == "agrees"
    assert found["full/2d flow_residual"] == "not measured"


def test_one_seed_decides_nothing(bench):
    bench.add_all(FDS, num_seeds=1)
    assert set(verdicts(bench).values()) == {"not decided", "not measured"}


def test_estimates_have_references_and_leave_out_what_means_nothing(bench):
    bench.add_all(FDS)
    results = find_results(load_design(), bench.read())
    assert results.references["fd_random_conv"] == 0.5
    psnr = find_quantity("warp_psnr_at_0.2")
    ceiling = results.references["warp_psnr_at_0.2"]
    assert 38 < ceiling < 42
    assert results.find("scratch", psnr, "2d") is None
    full = results.find("full", psnr, "2d")
    assert full is not None
    assert full.num_seeds == 3
    assert full.interval.low < full.interval.mean < full.interval.high
    assert [(each.metric, branch) for each, branch in results.measured] == [
        ("fd_random_conv", "3d"), ("warp_psnr_at_0.2", "2d"), ("warp_psnr_at_0.2", "3d")
    ]  # fmt: skip


def test_the_report_shows_every_row_and_what_is_missing(bench, tmp_path):
    bench.add_all(FDS)
    run = Run("cpu", 3, "c0de", [1.0, 2.0], ["full with seed 7: cut off"])
    folder = tmp_path / "reports"
    write_report(folder, load_design(), load_size("cpu"), bench.read(), run)
    text = (folder / "table.md").read_text()
    design = load_design()
    for row in design.rows.values():
        assert f"| {row.title} |" in text
    for claim in design.claims:
        assert claim.says in text
    assert "full with seed 7: cut off" in text
    assert "**disagrees**" in text
    assert "3d/random_conv `" in text
    table = pd.read_csv(folder / "table.csv").set_index(["row", "branch", "metric"])
    assert table.loc[("full", "3d", "fd_random_conv"), "num_seeds"] == 3
    assert len(pd.read_csv(folder / "claims.csv")) == 7
    assert (folder / "bars.png").stat().st_size > 10_000
    assert len(pd.read_parquet(folder / "values.parquet")) == 15 * (12 + 2)
