import pytest
import torch
from torch import nn

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.snapshot import SnapshotMeta, load_meta, read_snapshot
from mimic3d.training.selection import best_row, prune_superseded, save_if_best


@pytest.fixture
def meta(tiny_config):
    return SnapshotMeta(
        stage="pretrain", nimg=0, dataset_fingerprint="x", average_label=(0.0,) * 25,
        scene=Scene(), generator=tiny_config, discriminator=DiscriminatorConfig(),
    )  # fmt: skip


def train(folder, meta, values):
    """A run whose G is nimg, measured with these values; returns its rows."""
    rows = []
    for nimg, value in enumerate(values):
        network = nn.Linear(1, 1)
        nn.init.constant_(network.bias, nimg)
        rows.append({"nimg": nimg, "swd": value})
        save_if_best(folder, rows, "swd", "8 of val", meta, {"G": network})
    return rows


def kept(folder):
    return sorted(int(path.name.removeprefix("nimg-")) for path in folder.iterdir())


def test_a_snapshot_is_kept_when_it_is_the_best_so_far(tmp_path, meta):
    rows = train(tmp_path, meta, [5, 3, 3, 4, 2])
    assert kept(tmp_path) == [0, 1, 4]
    assert best_row(rows, "swd") == {"nimg": 4, "swd": 2}
    assert best_row(rows[:4], "swd") == {"nimg": 1, "swd": 3}
    assert best_row([], "swd") is None
    snapshot = read_snapshot(tmp_path / "nimg-000000004", ("G",))
    assert snapshot.weights["G"]["bias"].equal(torch.tensor([4.0]))
    assert snapshot.meta.nimg == 4
    selection = snapshot.meta.selection
    assert selection is not None
    assert (selection.metric, selection.value, selection.images) == ("swd", 2, "8 of val")


def test_what_an_older_state_would_publish_is_kept(tmp_path, meta):
    rows = train(tmp_path, meta, [5, 4, 6, 3, 2])
    prune_superseded(tmp_path, rows, "swd", oldest_nimg=0)
    assert kept(tmp_path) == [0, 1, 3, 4]
    prune_superseded(tmp_path, rows, "swd", oldest_nimg=2)
    assert kept(tmp_path) == [1, 3, 4]
    prune_superseded(tmp_path, rows, "swd", oldest_nimg=4)
    assert kept(tmp_path) == [4]


def test_a_best_snapshot_says_why_in_its_files(tmp_path, meta):
    train(tmp_path, meta, [5])
    assert load_meta(tmp_path / "nimg-000000000").selection is not None
    assert meta.selection is None
