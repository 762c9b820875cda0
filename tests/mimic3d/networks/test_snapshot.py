import json

import pytest
import safetensors.torch
import torch

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import (
    SnapshotMeta,
    load_meta,
    load_snapshot,
    read_snapshot,
    save_snapshot,
)


@pytest.fixture
def saved(tmp_path, tiny_config):
    generator = Generator(tiny_config, Scene(radius=2.5))
    meta = SnapshotMeta(
        stage="pretrain", nimg=800, dataset_fingerprint="abc", average_label=(0.5,) * 25,
        scene=generator.scene, generator=tiny_config, discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    save_snapshot(tmp_path / "snapshot", meta, {"G_ema": generator})
    return generator, tmp_path / "snapshot"


def test_round_trip(saved):
    generator, folder = saved
    again = load_snapshot(folder)
    assert again.scene == generator.scene
    assert not again.training
    for ours, theirs in zip(
        generator.state_dict().values(), again.state_dict().values(), strict=True
    ):
        assert ours.equal(theirs)
    z, c = torch.randn(1, 8), torch.randn(1, 25)
    assert again.mapping(z, c).equal(generator.mapping(z, c))
    assert load_meta(folder).nimg == 800


def test_an_overwritten_snapshot_is_replaced_whole(saved, tiny_config):
    generator, folder = saved
    meta = load_meta(folder)
    (folder / "stray").write_text("old")
    save_snapshot(folder, meta.model_copy(update={"nimg": 900}), {"G_ema": generator})
    assert sorted(p.name for p in folder.iterdir()) == ["G_ema.safetensors", "snapshot.json"]
    assert sorted(p.name for p in folder.parent.iterdir()) == ["snapshot"]


def test_damage_is_named(saved, tmp_path):
    _, folder = saved
    weights = folder / "G_ema.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ValueError, match=r"G_ema\.safetensors is damaged: its SHA-256 must be"):
        load_snapshot(folder)
    with pytest.raises(ValueError, match=r"must hold D\.safetensors"):
        read_snapshot(folder, ("D",))
    (folder / "snapshot.json").write_text('{"format": 1')
    with pytest.raises(ValueError, match="is damaged"):
        load_meta(folder)
    (folder / "snapshot.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="must have format 1, has 99"):
        load_meta(folder)
    with pytest.raises(ValueError, match=r"must hold snapshot\.json"):
        load_meta(tmp_path / "nothing")


def test_one_file_alone_is_a_snapshot(saved, tmp_path):
    generator, folder = saved
    alone = tmp_path / "shared" / "my heads.safetensors"
    alone.parent.mkdir()
    alone.write_bytes((folder / "G_ema.safetensors").read_bytes())
    for path in (alone, folder, folder / "snapshot.json", str(folder)):
        again = load_snapshot(path)
        assert again.scene == generator.scene
        assert again.backbone.first.const.equal(generator.backbone.first.const)


def test_other_files_are_no_snapshot(saved, tmp_path):
    _, folder = saved
    save_snapshot(tmp_path / "with D", load_meta(folder), {"D": torch.nn.Linear(1, 1)})
    with pytest.raises(ValueError, match=r"must be the G_ema\.safetensors of a snapshot, is D"):
        load_snapshot(tmp_path / "with D" / "D.safetensors")
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="is no part of a snapshot"):
        load_snapshot(tmp_path / "x.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no header")
    with pytest.raises(ValueError, match="is damaged"):
        load_snapshot(tmp_path / "broken.safetensors")
    with pytest.raises(ValueError, match=r"must hold snapshot\.json"):
        load_snapshot(tmp_path / "nowhere")
