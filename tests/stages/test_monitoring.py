"""Measurements in the course of a training, and the choice of its snapshot by them."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from mimic3d.networks.snapshot import load_meta, read_snapshot
from pipeline.stage import run_stage, validate
from pipeline.tracking.tracker import SilentTracker


class Ledger(SilentTracker):
    """A tracker that remembers metrics and tags."""

    def __init__(self):
        super().__init__()
        self.metrics, self.tags = {}, {}

    def log_metrics(self, metrics, nimg):
        self.metrics |= {(name, nimg): value for name, value in metrics.items()}

    def set_tags(self, tags):
        self.tags |= tags


def change(root: Path, **values: object) -> Path:
    """Set parameters of pretrain: group__name is pretrain.group.name."""
    yaml = YAML(typ="safe")
    params = yaml.load(root / "params.yaml")
    for key, value in values.items():
        group, name = key.split("__")
        params["pretrain"][group][name] = value
    yaml.dump(params, root / "params.yaml")
    return root


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (root / "runs", root / "reports" / "pretrain")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def table(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "reports/pretrain/monitor.csv")


def chooses(project: Path) -> Path:
    """A project that measures at every tick and publishes the best."""
    return change(project, monitor__every_kimg=0.016, monitor__select="val/2d/swd")


def test_measurements_are_reported(project):
    ledger = Ledger()
    run_stage("pretrain", project, ledger)
    rows = table(project)
    assert rows["nimg"].tolist() == [32, 64]
    assert rows[["val/2d/fd_random_conv", "val/2d/swd", "val/2d/nfs"]].notna().all().all()
    for name in rows.columns.drop("nimg"):
        for nimg, value in zip(rows["nimg"], rows[name], strict=True):
            if pd.notna(value):
                assert ledger.metrics[name, nimg] == pytest.approx(value)
    metrics = json.loads((project / "reports/pretrain/metrics.json").read_text())
    assert metrics["monitor"]["val/2d/swd"] == ledger.metrics["val/2d/swd", 64]
    assert metrics["snapshot"]["nimg"] == 64
    assert ledger.tags["monitor.images"] == "8 of val"
    assert load_meta(project / "runs/pretrain/snapshot").selection is None


@pytest.mark.slow
def test_measuring_changes_no_training(project, tmp_path):
    other = change(shutil.copytree(project, tmp_path / "off"), monitor__every_kimg=0)
    for root in (project, other):
        run_stage("pretrain", root, SilentTracker())
    snapshots = [digests(root) for root in (project, other)]
    for name in ("runs/pretrain/snapshot/G_ema.safetensors", "reports/pretrain/losses.csv"):
        assert snapshots[0][name] == snapshots[1][name]
    assert (other / "reports/pretrain/monitor.csv").read_text().strip() == "nimg"


@pytest.mark.slow
def test_the_best_snapshot_is_published_and_says_so(project, tmp_path):
    other = shutil.copytree(project, tmp_path / "short")
    run_stage("pretrain", chooses(project), SilentTracker())
    rows = table(project)
    best = rows.loc[rows["val/2d/swd"].idxmin()]
    assert len(rows) == 4
    published = project / "runs/pretrain/snapshot"
    meta = load_meta(published)
    assert meta.nimg == best["nimg"] < 64
    assert meta.selection is not None
    assert meta.selection.metric == "val/2d/swd"
    assert meta.selection.value == pytest.approx(best["val/2d/swd"])
    assert meta.selection.images == "8 of val"

    change(other, loop__total_kimg=meta.nimg / 1000)
    run_stage("pretrain", other, SilentTracker())
    names = ("G", "G_ema", "D")
    ours, theirs = (
        read_snapshot(root / "runs/pretrain/snapshot", names) for root in (project, other)
    )
    for name in names:
        for key, value in ours.weights[name].items():
            assert value.equal(theirs.weights[name][key]), key

    run_stage("imitate", project, SilentTracker())
    assert load_meta(project / "runs/imitate/snapshot").selection is None


@pytest.mark.slow
@pytest.mark.parametrize("lost", [1, 2])
def test_a_resumed_choice_is_that_of_an_uninterrupted_run(project, tmp_path, lost):
    """Killed before the outputs were written, and with `lost` of the states gone."""
    chooses(project)
    straight = shutil.copytree(project, tmp_path / "straight")
    for root in (project, straight):
        run_stage("pretrain", root, SilentTracker())
    (folder,) = (project / "state/pretrain").iterdir()
    (folder / "finished.json").unlink()
    for state in sorted(folder.glob("nimg-*"))[-lost:]:
        shutil.rmtree(state)
    for name in ("runs", "reports"):
        shutil.rmtree(project / name)
    run_stage("pretrain", project, SilentTracker())
    assert digests(project) == digests(straight)


@pytest.mark.slow
def test_a_larger_budget_goes_on_choosing(project, tmp_path):
    straight = shutil.copytree(chooses(project), tmp_path / "straight")
    run_stage("pretrain", straight, SilentTracker())
    change(project, loop__total_kimg=0.032)
    run_stage("pretrain", project, SilentTracker())
    change(project, loop__total_kimg=0.064)
    run_stage("pretrain", project, SilentTracker())
    assert digests(project) == digests(straight)


def test_a_snapshot_of_before_the_choice_still_loads(project):
    change(project, loop__total_kimg=0)
    run_stage("pretrain", project, SilentTracker())
    path = project / "runs/pretrain/snapshot/snapshot.json"
    text = json.loads(path.read_text())
    assert text.pop("selection") is None
    path.write_text(json.dumps(text))
    assert load_meta(path.parent).selection is None
    assert read_snapshot(path.parent).build_generator().config.image_resolution == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"monitor__select": "val/3d/swd"}, r"pretrain\.monitor\.select must be of the branch"),
        (
            {"monitor__select": "val/2d/nfs"},
            r"pretrain\.monitor\.select must be 'last', .*'val/2d/swd'",
        ),
        (
            {"monitor__select": "val/2d/swd", "monitor__every_kimg": 0},
            r"pretrain\.monitor\.select must be last where nothing is measured",
        ),
        (
            {"monitor__select": "val/2d/swd", "loop__total_kimg": 0},
            r"pretrain\.monitor\.select must be last in a run of 0 kimg",
        ),
        ({"monitor__num_images": 1}, r"pretrain\.monitor\.num_images must be greater than or"),
    ],
)
def test_impossible_choices_are_refused(project, changes, message):
    change(project, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        validate("pretrain", project)
    assert len(str(caught.value).splitlines()) == 1
