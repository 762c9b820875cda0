"""The rows of the paper's ablation are plain parameters: each passes validation and trains."""

import json
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from mimic3d.networks.snapshot import load_meta, load_snapshot, read_snapshot
from pipeline.stage import run_stage, validate
from pipeline.tracking.tracker import SilentTracker

NO_IMITATION = {"imitate.imitation.weight": 0, "imitate.imitation.l1_weight": 0}
ROWS = {
    "full": {},
    "stage 1 only": {"imitate.loop.total_kimg": 0},
    "without imitation": NO_IMITATION,
    "direct 3D from scratch": {
        **NO_IMITATION,
        "pretrain.loop.total_kimg": 0,
        "imitate.imitation.dual_weight": 0,
        "imitate.imitation.adversarial_weight": 1,
        "imitate.blur.initial_sigma_px": 2,
        "imitate.blur.fade_kimg": 0.016,
        "imitate.swapping.fade_kimg": 0.016,
        "imitate.ema.rampup": 0.05,
    },
    "without 3D-aware convolutions": {"pretrain.generator.aware3d": False},
}


def override(root: Path, values: dict[str, object]) -> None:
    """Set parameters by their full keys, as `dvc exp run -S ++key=value` does."""
    yaml = YAML(typ="safe")
    params = yaml.load(root / "params.yaml")
    for key, value in values.items():
        *groups, name = key.split(".")
        section = params
        for group in groups:
            section = section.setdefault(group, {})
        section[name] = value
    yaml.dump(params, root / "params.yaml")


def train(root: Path, row: str) -> None:
    override(root, ROWS[row])
    for stage in ("pretrain", "imitate"):
        validate(stage, root)
        run_stage(stage, root, SilentTracker())


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_a_row_trains_and_is_evaluated(project, row):
    train(project, row)
    run_stage("evaluate", project, SilentTracker())
    found = json.loads((project / "reports/evaluate/metrics.json").read_text())
    assert found["3d/fd_random_conv"] > 0
    meta = load_meta(project / "runs/imitate/snapshot")
    assert meta.generator.detail
    assert meta.generator.aware3d == (row != "without 3D-aware convolutions")
    assert meta.nimg == (0 if row == "stage 1 only" else 32)


@pytest.mark.slow
def test_stage_1_alone_renders_its_coarse_planes(project):
    train(project, "stage 1 only")
    before, after = (
        read_snapshot(project / "runs" / stage / "snapshot") for stage in ("pretrain", "imitate")
    )
    assert before.meta.nimg == 64
    for key, value in before.weights["G_ema"].items():
        assert after.weights["G_ema"][key].equal(value), key
    G = load_snapshot(project / "runs/imitate/snapshot")
    with torch.no_grad():
        ws = G.mapping(torch.randn(1, 8), torch.tensor([after.meta.average_label]))
        _, detail = G.synthesize_planes(ws, detail=True, noise="const")
    assert not detail.any()


@pytest.mark.slow
def test_direct_3d_training_starts_anew_and_teaches_the_3d_branch_alone(project):
    train(project, "direct 3D from scratch")
    before, after = (
        read_snapshot(project / "runs" / stage / "snapshot", ("G",))
        for stage in ("pretrain", "imitate")
    )
    assert before.meta.nimg == 0
    taught = {
        key.split(".")[0]
        for key, value in before.weights["G"].items()
        if not after.weights["G"][key].equal(value)
    }
    assert taught == {"backbone", "mapping", "pyramid", "decoder"}
    history = json.loads((project / "reports/imitate/metrics.json").read_text())
    assert history["last_tick"]["loss/imitation"] == 0
    assert history["last_tick"]["loss/G_patch"] > 0


@pytest.mark.parametrize("row", ROWS)
def test_the_parameters_of_a_row_are_valid(project, row):
    override(project, ROWS[row])
    validate("pretrain", project)
