import math

import pandas as pd
import pytest
import torch
import view_scores
from pydantic import ValidationError
from torch import multiprocessing

from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.metric import NoSettings
from mimic3d.evaluation.views.record import record_views
from mimic3d.evaluation.views.score_views import count_objects
from mimic3d.evaluation.views.table import LISTED, METRICS, VIEW_METRICS, metric_info
from mimic3d.metrics.protocol import protocol_hash

BASELINES = ("0.05", "0.3")
PAIRS = ("warp_psnr", "warp_ssim", "warp_hf", "warp_cov", "depth_xview", "depth_contra")
EVERYWHERE = {f"{name}_at_{yaw}" for name in PAIRS for yaw in BASELINES} | {
    "flow_residual", "flow_ratio", "flow_motion_px", "nfs", "nfs_fg", "probe_yaw_deg",
    "probe_pitch_deg", "probe_id_cos", "refit_psnr", "refit_ssim", "refit_hf",
}  # fmt: skip
METRICS_OF = {
    "2d": EVERYWHERE | {"nfs_3dgp", "probe_id_floor"},
    "3d": EVERYWHERE | {"nfs_3dgp", "probe_id_floor", "gap_psnr", "gap_ssim", "gap_hf"},
    "ceiling": EVERYWHERE,
    "floor": {"probe_id_cos"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module")
def scored(folder):
    torch.set_num_threads(1)
    return view_scores.score(folder / "cache")


def test_every_score_is_taken_once_of_every_object(scored):
    samples = scored.samples
    assert list(samples.columns) == ["branch", "metric", "identity", "value"]
    assert samples["value"].dtype == "float64"
    assert not samples[["branch", "metric", "identity"]].duplicated().any()
    for branch, wanted in METRICS_OF.items():
        found = samples[samples["branch"] == branch].groupby("metric")["identity"].apply(list)
        assert set(found.index) == wanted
        for metric, identities in found.items():
            assert identities == ([0] if metric.startswith("refit") else [0, 1, 2]), metric


def test_every_score_is_in_the_table(scored):
    names = {metric_info(name).name for name in scored.samples["metric"]}
    optional = {"warp_lpips", "arcface_id", "deep3d_pose", "deep3d_depth"}
    assert names == set(METRICS) - optional


def test_the_consistent_branch_wins(scored):
    means = scored.samples.groupby(["branch", "metric"])["value"].mean()
    good, bad = means["3d"], means["2d"]
    for yaw in BASELINES:
        assert good[f"warp_psnr_at_{yaw}"] > bad[f"warp_psnr_at_{yaw}"] + 3
        assert good[f"warp_hf_at_{yaw}"] < bad[f"warp_hf_at_{yaw}"] / 2
        assert good[f"warp_cov_at_{yaw}"] > 0.3
    assert good["flow_residual"] < 0.8 * bad["flow_residual"]
    assert good["gap_psnr"] < 30  # the pattern on the screen


def test_true_renderings_agree_with_themselves(scored):
    means = scored.samples.groupby(["branch", "metric"])["value"].mean()["ceiling"]
    assert means["warp_psnr_at_0.05"] > 25
    assert means["depth_contra_at_0.3"] < 0.05
    assert means["flow_residual"] < 0.3
    assert means["nfs"] > 3.5


def test_evaluating_again_gives_the_same_bits(scored, tmp_path):
    again = view_scores.score(tmp_path, sampling=SamplingConfig(seed=7, batch=2))
    pd.testing.assert_frame_equal(scored.samples, again.samples, check_exact=True)
    assert scored.protocol == again.protocol


def test_two_processes_find_the_same_with_an_empty_cache_and_a_full_one(scored, tmp_path):
    multiprocessing.spawn(view_scores.score_together, (2, str(tmp_path)), nprocs=2)
    for name in ("empty-0", "empty-1", "full-0", "full-1"):
        samples = pd.read_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(scored.samples, samples, rtol=1e-6, atol=1e-9)


def test_what_is_true_is_photographed_once(scored, folder):
    paths = sorted((folder / "cache").glob("*.parquet")) + sorted(
        (folder / "cache").glob("*.safetensors")
    )
    assert [path.name.partition("-")[0] for path in paths] == ["ceiling", "probe"]
    table = pd.read_parquet(paths[0]).assign(value=1.0)
    table.to_parquet(paths[0])
    told = view_scores.score(folder / "cache").samples
    assert set(told[told["branch"].isin(["ceiling", "floor"])]["value"]) == {1.0}
    paths[0].unlink()


def test_progress_adds_up(folder):
    for scores in (("warp", "flatness_3dgp"), ("flatness",)):
        cfg = view_scores.CONSISTENCY.model_copy(update={"scores": scores})
        for _ in range(2):  # the second time, true views are known
            told = []
            view_scores.score(folder / "cache", cfg, advance=lambda n, _, told=told: told.append(n))
            assert sum(told) == count_objects(view_scores.manifest_of(), cfg)


def test_photos_have_no_ceiling_and_no_probe(tmp_path):
    cfg = view_scores.CONSISTENCY.model_copy(update={"scores": ("warp", "probe")})
    found = view_scores.score(tmp_path, cfg, source="photos", subjects=None)
    assert set(found.samples["branch"]) == {"2d", "3d"}
    assert not found.samples["metric"].str.startswith("probe").any()
    assert found.protocol.scores == ("warp",)
    assert "is not synthetic" in found.protocol.skipped["probe"]
    assert found.protocol.ceiling.startswith("none: the dataset is not synthetic")
    assert "probe" not in found.protocol.settings
    assert not list(tmp_path.iterdir())
    old = view_scores.score(tmp_path, cfg, subjects=None)
    assert "prepare it again" in old.protocol.ceiling


def test_cats_have_ceilings_of_their_own(folder):
    cfg = view_scores.CONSISTENCY.model_copy(update={"scores": ("flatness",)})
    subjects = view_scores.manifest_of().subjects
    means = [
        view_scores.score(folder / "cache", cfg, subjects=kind, fingerprint=kind.kind)
        .samples.query("branch == 'ceiling' and metric == 'nfs'")["value"].to_numpy()
        for kind in (subjects, subjects.model_copy(update={"kind": "cats"}))
    ]  # fmt: skip
    assert (abs(means[0] - means[1]) > 1e-3).all()


CHANGES = {
    "num_identities": 2,
    "scores": ["warp"],
    "baselines_rad": [0.05],
    "warp": {"occlusion": 0.03},
    "flow": {"motion_px": 0.6},
    "flatness_3dgp": {"resolution": 4},
    "probe": {"num_views": 3},
    "refit": {"num_identities": 0},
}


def test_the_protocol_hash_follows_every_parameter_that_moves_a_value(tmp_path):
    """`bootstrap` moves no value; networks that are brought have a test of their own."""
    assert set(CHANGES) == set(ConsistencyConfig.model_fields) - {"bootstrap", "faces", "lpips"}
    G, manifest = view_scores.PaintedBalls(view_scores.SCENE), view_scores.manifest_of()

    def hash_of(cfg, sampling=view_scores.SAMPLING):
        record = record_views(G.config, manifest, 32, cfg, sampling, {})
        return protocol_hash(record)

    base = view_scores.CONSISTENCY.model_dump()
    hashes = {hash_of(ConsistencyConfig.model_validate(base | {k: v})) for k, v in CHANGES.items()}
    cfg = view_scores.CONSISTENCY
    hashes |= {hash_of(cfg), hash_of(cfg, SamplingConfig(seed=8))}
    hashes |= {hash_of(cfg, SamplingConfig(seed=7, truncation_psi=0.5))}
    assert len(hashes) == len(CHANGES) + 3
    assert hash_of(cfg, SamplingConfig(seed=7, batch=1)) == hash_of(cfg)


def test_parameters_protocol_and_meanings_follow_from_the_table():
    fields = ConsistencyConfig.model_fields
    for metric in VIEW_METRICS:
        assert metric.name in LISTED or not metric.is_listed
        assert (metric.name in fields) == (metric.config is not NoSettings)
        assert all(METRICS[info.name] is info for info in metric.infos)
    described = str(fields["scores"].description)
    assert all(f"{name}: " in described for name in LISTED)


def test_a_score_that_nobody_knows_is_refused():
    with pytest.raises(ValidationError, match="scores"):
        ConsistencyConfig.model_validate({"scores": ["beauty"]})
    with pytest.raises(ValidationError, match="must name each value once"):
        ConsistencyConfig.model_validate({"baselines_rad": [0.1, 0.1]})
    assert ConsistencyConfig().scores == LISTED


def test_nothing_opaque_is_nothing_to_compare(tmp_path, monkeypatch):
    cfg = view_scores.CONSISTENCY.model_copy(update={"scores": ("warp", "flow")})
    monkeypatch.setattr(view_scores.PaintedBalls, "render_3d", empty(view_scores.PaintedBalls))
    found = view_scores.score(tmp_path, cfg, subjects=None).samples
    value = found.set_index(["branch", "metric", "identity"])["value"]
    assert math.isnan(value["3d", "warp_psnr_at_0.05", 0])
    assert math.isnan(value["3d", "flow_residual", 2])
    assert value["3d", "warp_cov_at_0.05", 1] == 0


def empty(kind):
    render = kind.render_3d

    def render_nothing(self, planes, cameras, resolution, sampling=None, windows=None):
        view = render(self, planes, cameras, resolution)
        return type(view)(view.image, view.depth, view.alpha * 0)

    return render_nothing
