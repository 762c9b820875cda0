"""The stages as a user runs them: whole runs of the tiny experiment, without Ray."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from project_folder import change, digests

from mimic3d.networks.snapshot import load_meta, load_snapshot, read_snapshot
from pipeline.stage import run_stage, validate
from pipeline.tracking.tracker import SilentTracker

WITHOUT_RAY = (
    "import sys, runpy; sys.modules.update(ray=None, mlflow=None, dvc=None); "
    "runpy.run_module('stages.' + sys.argv.pop(1), run_name='__main__')"
)


def run_alone(stage: str, root: Path) -> subprocess.Popen:
    """The stage in a process where Ray, MLflow and DVC cannot be imported."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", WITHOUT_RAY, stage],
        cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_all_stages_without_ray_and_mlflow(project):
    for stage in ("prepare", "pretrain", "imitate", "evaluate"):
        process = run_alone(stage, project)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    for stage in ("pretrain", "imitate"):
        assert sorted(p.name for p in (project / "runs" / stage).iterdir()) == [
            "samples", "snapshot",
        ]  # fmt: skip
        history = pd.read_csv(project / "reports" / stage / "losses.csv")
        assert history["nimg"].is_monotonic_increasing
        assert history[["loss/G", "loss/D"]].notna().all().all()
        assert (history.filter(like="replaced_gradients").fillna(0) == 0).all().all()
        first = sorted((project / "runs" / stage / "samples").iterdir())[0]
        assert Image.open(first).height == 8 * 16
        last = max((project / "runs" / stage / "samples").iterdir())
        assert (project / "reports" / stage / "samples.png").read_bytes() == last.read_bytes()
    metrics = json.loads((project / "reports/imitate/metrics.json").read_text())
    assert metrics["last_tick"]["loss/imitation"] > 0
    assert load_meta(project / "runs/imitate/snapshot").generator.detail
    detail = load_snapshot(project / "runs/imitate/snapshot").detail
    assert detail is not None
    assert detail.block3.torgb.weight.abs().sum() > 0  # it was born as zero


def test_a_killed_run_resumes_to_the_same_bits(project, tmp_path):
    change(project, "pretrain.loop.total_kimg", 0.16)
    straight = tmp_path / "straight"
    subprocess.run(["cp", "-r", project, straight], check=True)
    run_stage("pretrain", straight, SilentTracker())

    process = run_alone("pretrain", project)
    deadline = time.monotonic() + 60
    while not list((project / "state" / "pretrain").glob("*/nimg-*")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reached = max(p.name for p in (project / "state" / "pretrain").glob("*/nimg-*"))
    assert reached < "nimg-000000160"
    assert not (project / "runs").exists()
    Image.open(project / "reports/pretrain/samples.png").load()  # whoever waits can look

    run_stage("pretrain", project, SilentTracker())
    assert digests(project / "runs") == digests(straight / "runs")
    assert digests(project / "reports/pretrain") == digests(straight / "reports/pretrain")


def test_stage_2_starts_where_stage_1_ended(project):
    run_stage("pretrain", project, SilentTracker())
    change(project, "imitate.g_optimizer.lr", 1e-30)
    change(project, "imitate.d_optimizer.lr", 1e-30)
    run_stage("imitate", project, SilentTracker())
    before = read_snapshot(project / "runs/pretrain/snapshot", ("G", "D"))
    after = read_snapshot(project / "runs/imitate/snapshot", ("G", "D"))
    for name in ("G", "D"):
        for key, value in before.weights[name].items():
            if "w_avg" not in key:
                torch.testing.assert_close(after.weights[name][key], value)


def test_stage_2_may_render_its_2d_branch_larger(project):
    run_stage("pretrain", project, SilentTracker())
    assert load_meta(project / "runs/pretrain/snapshot").generator.neural_rendering_resolution == 8
    change(project, "imitate.neural_rendering_resolution", 16)
    run_stage("imitate", project, SilentTracker())
    snapshot = project / "runs/imitate/snapshot"
    assert load_meta(snapshot).generator.neural_rendering_resolution == 16
    assert load_snapshot(snapshot).config.neural_rendering_resolution == 16


@pytest.mark.parametrize(
    ("stage", "key", "value", "message"),
    [
        ("pretrain", "pretrain.loop.batch", 6, r"pretrain\.loop\.batch must be a multiple of"),
        ("pretrain", "pretrain.loop.bach", 8, r"pretrain\.loop\.bach is no parameter .* batch\?"),
        ("pretrain", "pretrain.loop.batch", "many", r"pretrain\.loop\.batch must be .*\"many\""),
        ("pretrain", "pretrain.generator.plane_resolution", 12, "must be a power of two, is 12"),
        (
            "pretrain",
            "pretrain.generator.image_resolution",
            32,
            "must be the dataset's = 16, is 32",
        ),
        ("pretrain", "pretrain.generator.detail", True, "detail must be false"),
        ("imitate", "imitate.patch_scale", 0.5, r"imitate\.patch_scale x image_resolution must be"),
        (
            "imitate",
            "imitate.neural_rendering_resolution",
            12,
            "a power of two up to .* = 16, is 12",
        ),
        (
            "imitate",
            "imitate.neural_rendering_resolution",
            32,
            "a power of two up to .* = 16, is 32",
        ),
        ("pretrain", "prepare.name", "gone", r"holds no prepared dataset .* run prepare"),
    ],
)
def test_mistakes_are_refused_before_any_compute(project, stage, key, value, message):
    if stage == "imitate":
        run_stage("pretrain", project, SilentTracker())
    change(project, key, value)
    with pytest.raises(ValueError, match=message) as caught:
        validate(stage, project)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("stage", ["pretrain", "imitate"])
def test_empty_rays_cost_nothing_where_the_dataset_has_some(project, stage):
    run_stage("pretrain", project, SilentTracker())
    change(project, f"{stage}.opacity.weight", 1)
    validate(stage, project)
    change(project, "prepare.synthetic.background", "constant")
    run_stage("prepare", project, SilentTracker())
    with pytest.raises(ValueError, match=rf"{stage}\.opacity\.weight must be 0 where rays can"):
        validate(stage, project)


def test_imitate_needs_pretrain(project):
    with pytest.raises(ValueError, match=r"must hold snapshot\.json.*run its stage first"):
        validate("imitate", project)


def test_a_mistake_is_one_sentence_and_a_failure_code(project):
    change(project, "pretrain.loop.batch", 6)
    process = run_alone("pretrain", project)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.startswith("pretrain.loop.batch must be a multiple")
    assert len(output.splitlines()) == 1
    assert not (project / "state" / "pretrain").exists()
