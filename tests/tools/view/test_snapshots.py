import os
import re
import shutil

import numpy as np
import pytest
import torch

from mimic3d.rendering.backend import choose_backend
from mimic3d.training.state import Progress, load_state, save_state
from tools.view.command import main, resolve_place
from tools.view.drawing import draw
from tools.view.settings import ViewSettings
from tools.view.snapshots import Collection


def test_snapshots_written_since_are_taken_up_and_old_ones_dropped(
    collection, write_snapshot, tmp_path
):
    assert [*collection.entries] == ["runs/first", "runs/second"]
    assert not collection.refresh()
    old = collection.entry("runs/second")
    write_snapshot(tmp_path / "runs" / "another" / "nimg-000007500", seed=3, nimg=7500)
    write_snapshot(tmp_path / "runs" / ".another.part-1", seed=4)  # is being written
    assert collection.refresh()
    assert next(iter(collection.entries)) == "7.5 kimg of runs/another"
    assert collection.newest().name == "7.5 kimg of runs/another"
    assert collection.entry("runs/second") is old
    shutil.rmtree(tmp_path / "runs" / "another")  # it was beaten by a better one
    assert collection.refresh()
    assert [*collection.entries] == ["runs/first", "runs/second"]


def test_a_newer_snapshot_takes_the_place_of_the_old_one(collection, write_snapshot):
    old, place = collection.subject("runs/first"), collection.entry("runs/first").path
    assert collection.subject("runs/first") is old
    shutil.rmtree(place)
    write_snapshot(place, seed=9, nimg=8)
    later = old_time(collection) + 10
    os.utime(place / "snapshot.json", (later, later))
    assert collection.refresh()
    assert collection.subject("runs/first") is not old
    assert collection.newest().name == "runs/first"
    assert collection.newest().description == "imitate, 0.008 kimg"


def old_time(collection):
    return max(entry.changed for entry in collection.entries.values())


def test_one_of_several_that_is_damaged_is_named_and_left_out(collection, tmp_path, capsys):
    (tmp_path / "runs" / "second" / "snapshot.json").write_text("{")
    assert collection.refresh()
    assert [*collection.entries] == ["runs/first"]
    assert "second/snapshot.json is damaged" in capsys.readouterr().err


def test_a_weight_file_alone_is_a_snapshot(collection, tmp_path):
    alone = tmp_path / "shared.safetensors"
    shutil.copy(tmp_path / "runs" / "first" / "G_ema.safetensors", alone)
    subject = Collection([alone], torch.device("cpu"), "torch").subject("")
    pixels = draw((subject,), ViewSettings(), 16).pixels
    assert (pixels == draw((collection.subject("runs/first"),), ViewSettings(), 16).pixels).all()


def test_fused_kernels_take_over_when_they_are_compiled_and_show_the_same(collection):
    pytest.importorskip("numba")
    subject = collection.subject("runs/first")
    plain = draw((subject,), ViewSettings(), 16).pixels.astype(int)
    subject._warm_up(choose_backend("fused", torch.device("cpu")))
    assert subject.G.backend.name == "fused"
    fused = draw((subject,), ViewSettings(), 16).pixels.astype(int)
    assert np.abs(fused - plain).max() <= 1


def test_cameras_of_images_need_the_dataset(collection):
    with pytest.raises(ValueError, match=r"need the dataset of the snapshot .*none below"):
        draw((collection.subject("runs/first"),), ViewSettings(image=0), 16)


def test_places_are_folders_or_weight_files(collection, tmp_path):
    first = tmp_path / "runs" / "first"
    for place in (first, first / "snapshot.json", first / "G_ema.safetensors"):
        assert resolve_place(str(place)) == first


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "must be a snapshot, a folder that holds some or the id of an MLflow run"),
        ("model.pkl", "convert it first: `mimic3d convert"),
        ("notes.txt", "a snapshot is a folder or its G_ema.safetensors"),
        ("empty", "must be or hold a snapshot, has none; train one with"),
        ("damaged", "must be or hold a snapshot, has none .*snapshot.json is damaged"),
        ("broken.safetensors", "must be or hold a snapshot, has none .*broken.safetensors is dam"),
    ],
)
def test_what_is_no_snapshot_is_refused_in_one_sentence(tmp_path, capsys, name, sentence):
    for file in ("model.pkl", "notes.txt", "broken.safetensors"):
        (tmp_path / file).write_bytes(b"\x80\x04 no weights")
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "snapshot.json").write_text("[]")
    assert main([str(tmp_path / name)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert re.search(sentence, lines[-1]), lines
    assert not any("Traceback" in line for line in lines)


def test_the_id_of_a_run_is_the_snapshot_that_it_keeps(write_snapshot, tmp_path, monkeypatch):
    run_id = "0123456789abcdef" * 2
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text("metadata: {pipeline: {}}\n")
    kept = write_snapshot(tmp_path / "mlartifacts" / run_id / "artifacts" / "snapshot")
    assert resolve_place(run_id).resolve() == kept.resolve()


def test_a_state_of_a_training_can_be_looked_at(collection, tmp_path):
    subject, meta = collection.subject("runs/first"), collection.entry("runs/first").meta
    folder = tmp_path / "state" / "imitate" / "0123"
    save_state(folder, Progress(4000), {"G_ema": subject.G}, {}, meta)
    states = Collection([tmp_path / "state"], torch.device("cpu"), "torch")
    assert [*states.entries] == ["4 kimg of state/imitate/0123"]
    pixels = draw((states.subject(""),), ViewSettings(seed=2), 16).pixels
    assert (pixels == draw((subject,), ViewSettings(seed=2), 16).pixels).all()
    save_state(folder, Progress(8000), {"G_ema": subject.G}, {}, meta)
    assert states.refresh()
    assert load_state(folder, {"G_ema": subject.G}, {}).nimg == 8000
    assert states.entry("8 kimg of state/imitate/0123").meta.nimg == 8000
