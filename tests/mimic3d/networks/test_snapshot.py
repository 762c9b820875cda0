import json

import pytest
import torch

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import (
    SnapshotMeta,
    load_generator,
    load_meta,
    load_snapshot,
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
    again = load_generator(folder)
    assert again.scene == generator.scene
    assert not again.training
    for ours, theirs in zip(
        generator.state_dict().values(), again.state_dict().values(), strict=True
    ):
        assert ours.equal(theirs)
    z, c = torch.randn(1, 8), torch.randn(1, 25)
    assert again.map(z, c).equal(generator.map(z, c))
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
        load_generator(folder)
    with pytest.raises(ValueError, match=r"must hold D\.safetensors"):
        load_snapshot(folder, ("D",))
    (folder / "snapshot.json").write_text('{"format": 1')
    with pytest.raises(ValueError, match="is damaged"):
        load_meta(folder)
    (folder / "snapshot.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="must have format 1, has 99"):
        load_meta(folder)
    with pytest.raises(ValueError, match=r"must hold snapshot\.json"):
        load_meta(tmp_path / "nothing")
