"""A training whose state lives in a storage: any machine goes on with it."""

import csv
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.stage import run_stage
from pipeline.storage.remote_run import RemoteRun
from pipeline.storage.storage_sync import StorageSync
from pipeline.tracking.tracker import SilentTracker

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def train(root: Path, storage: Path, total_kimg: float) -> dict[str, bytes]:
    """The files of its snapshot."""
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["pretrain"]["loop"]["total_kimg"] = total_kimg
    yaml.dump(params, root / "params.yaml")
    tracker = SilentTracker()
    remote = RemoteRun(f"file://{storage}", "pretrain-1")
    tracker.sync = StorageSync(remote.state, root)
    run_stage("pretrain", root, tracker)
    tracker.sync.finish()
    snapshot = root / "runs" / "pretrain" / "snapshot"
    return {path.name: path.read_bytes() for path in snapshot.iterdir()}


def first_tick_of_log(root: Path) -> int:
    with (root / "reports" / "pretrain" / "losses.csv").open() as file:
        return int(next(csv.DictReader(file))["nimg"])


def test_another_machine_continues_to_the_same_bits(prepared_project, tmp_path):
    for name in ("one", "two", "whole"):
        shutil.copytree(prepared_project, tmp_path / name)
    train(tmp_path / "one", tmp_path / "storage", 0.032)
    (tmp_path / "two" / "state" / "pretrain").mkdir(parents=True)
    continued = train(tmp_path / "two", tmp_path / "storage", 0.064)
    assert continued == train(tmp_path / "whole", tmp_path / "other", 0.064)
    states = {path.name for path in (tmp_path / "two").glob("state/pretrain/*/nimg-*")}
    assert states == {"nimg-000000048", "nimg-000000064"}
    drawn = {path.name for path in (tmp_path / "two").glob("state/pretrain/*/samples/*")}
    assert "nimg-000000000.png" in drawn  # came from the other machine, as it drew at the start
    assert first_tick_of_log(tmp_path / "two") == 16
