import json

import pytest
import torch

from mimic3d.cameras import Scene
from mimic3d.inversion.encoder import META, Encoder
from mimic3d.inversion.encoder_training import EncoderTrainingConfig
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, load_snapshot, save_snapshot
from tools.config_options import parse_config
from tools.encode import main

BRIEF = (
    "num_rounds=2", "steps_per_round=1", "batch=2", "pool.num_objects=2", "styles.num_samples=9",
    "network.resolution=16", "reconstruction.num_images=1",
)  # fmt: skip


@pytest.fixture
def snapshot(tiny_config, tmp_path, monkeypatch):
    cfg = tiny_config.model_copy(update={"detail": True})
    meta = SnapshotMeta(
        stage="imitate", nimg=4, dataset_fingerprint="", average_label=(0.0,) * 25, scene=Scene(),
        generator=cfg, discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    save_snapshot(tmp_path / "snapshot", meta, {"G_ema": Generator(cfg, Scene())})
    monkeypatch.setattr("tools.outputs.RECORDS", tmp_path / "records")
    monkeypatch.setattr("tools.encode.NUM_HELD_OUT", 8)
    return tmp_path / "snapshot"


def encode(snapshot, out, *settings):
    options = [part for each in (*BRIEF, *settings) for part in ("--set", each)]
    return main([str(snapshot), "--out", str(out), "--renderer", "torch", *options])


def test_a_written_encoder_is_loaded_and_reads_images(snapshot, tmp_path, capsys):
    out = tmp_path / "encoder"
    assert encode(snapshot, out) == 0
    said = capsys.readouterr().out
    assert "round 2 of 2" in said
    assert "8 held-out samples" in said
    encoder = Encoder.load(out, load_snapshot(snapshot))
    w, cameras = encoder(torch.zeros(3, 3, 24, 24))
    assert w.shape == (3, 8)
    assert len(cameras) == 3
    measured = json.loads((out / META).read_text())["measured"]
    assert measured["psnr_encoder"] > 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_an_interrupted_training_goes_on(snapshot, tmp_path, capsys, monkeypatch):
    assert encode(snapshot, tmp_path / "whole") == 0

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tools.encode._report", interrupted)
        with pytest.raises(KeyboardInterrupt):
            encode(snapshot, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    capsys.readouterr()
    assert encode(snapshot, tmp_path / "parts") == 0
    assert "round 1 of 2" in capsys.readouterr().out
    files = [path.name for path in (tmp_path / "whole").iterdir()]
    for name in files:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rounds=3", "--set rounds: extra inputs are not permitted"),
        ("batch=0", "--set batch: input should be greater than 0, is 0"),
        ("batch", "--set must be KEY=VALUE, like seed=3, is batch"),
        ("batch.size=3", "--set must name one parameter"),
    ],
)
def test_settings_that_are_none_are_refused_in_one_sentence(
    snapshot, tmp_path, capsys, setting, message
):
    assert encode(snapshot, tmp_path / "encoder", setting) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "encoder").exists()


def test_settings_reach_every_group():
    cfg = parse_config(
        EncoderTrainingConfig, ["pool.yaw_rad=0.6", "augment.blur=false", "num_rounds=3"], seed=4
    )
    assert (cfg.pool.yaw_rad, cfg.augment.blur, cfg.num_rounds, cfg.seed) == (0.6, False, 3, 4)
