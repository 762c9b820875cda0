"""Starting a training from the networks of a snapshot."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.snapshot import SnapshotMeta, read_snapshot, save_snapshot
from stages.init_from import check_initial_weights, load_initial_weights

SMALL = DiscriminatorConfig(channel_base=64, channel_max=8)


def networks(cfg: GeneratorConfig) -> dict[str, nn.Module]:
    G = Generator(cfg, Scene())
    return {"G": G, "G_ema": Generator(cfg, Scene()), "D": DualDiscriminator(SMALL, 16)}


def save(folder: Path, cfg: GeneratorConfig) -> dict[str, nn.Module]:
    stored = networks(cfg)
    meta = SnapshotMeta(
        stage="pretrain", nimg=0, dataset_fingerprint="x", average_label=(0.0,) * 25,
        scene=Scene(), generator=cfg, discriminator=SMALL,
    )  # fmt: skip
    save_snapshot(folder, meta, stored)
    return stored


@pytest.mark.parametrize(("before", "after"), [(False, False), (False, True), (True, False)])
def test_everything_but_the_detail_planes_is_inherited(tmp_path, tiny_config, before, after):
    stored = save(tmp_path / "old", tiny_config.model_copy(update={"detail": before}))
    given = networks(tiny_config.model_copy(update={"detail": after}))
    given["D_patch"] = PatchDiscriminator(SMALL, 16)  # the snapshot has none
    load_initial_weights(given, tmp_path / "old")
    for name, network in stored.items():
        theirs = network.state_dict()
        for key, tensor in given[name].state_dict().items():
            assert key.startswith("detail.") or tensor.equal(theirs[key]), key


def test_the_last_source_counts(tmp_path, tiny_config):
    save(tmp_path / "a", tiny_config)
    save(tmp_path / "b", tiny_config)
    given = networks(tiny_config)
    load_initial_weights(given, tmp_path / "a")
    load_initial_weights(given, tmp_path / "b")
    again = read_snapshot(tmp_path / "b", ("D",)).weights["D"]
    assert all(tensor.equal(again[key]) for key, tensor in given["D"].state_dict().items())


def test_what_does_not_fit_is_refused(tmp_path, tiny_config):
    save(tmp_path / "data/init/old", tiny_config)
    save(tmp_path / "elsewhere", tiny_config)
    check_initial_weights(tmp_path, "data/init/old", tiny_config, SMALL)
    more_samples = tiny_config.rendering.model_copy(update={"depth_resolution": 9})
    sampled = tiny_config.model_copy(update={"rendering": more_samples})
    check_initial_weights(tmp_path, "data/init/old", sampled, SMALL)
    for place in ("elsewhere", "data/init/../../elsewhere"):
        with pytest.raises(ValueError, match="must be a folder below data/init"):
            check_initial_weights(tmp_path, place, tiny_config, SMALL)
    with pytest.raises(ValueError, match=r"must hold snapshot\.json"):
        check_initial_weights(tmp_path, "data/init/none", tiny_config, SMALL)
    legacy = tiny_config.model_copy(update={"legacy": True})
    with pytest.raises(
        ValueError, match=r"pretrain\.generator\.legacy must be .* = False, is True"
    ):
        check_initial_weights(tmp_path, "data/init/old", legacy, SMALL)
    wide = SMALL.model_copy(update={"channel_max": 16})
    with pytest.raises(ValueError, match=r"pretrain\.discriminator\.channel_max must be .* = 8"):
        check_initial_weights(tmp_path, "data/init/old", tiny_config, wide)


def test_a_link_in_data_init_may_point_anywhere(tmp_path, tiny_config):
    save(tmp_path / "elsewhere", tiny_config)
    (tmp_path / "data/init").mkdir(parents=True)
    (tmp_path / "data/init/linked").symlink_to(tmp_path / "elsewhere")
    check_initial_weights(tmp_path, "data/init/linked", tiny_config, SMALL)


def test_weights_are_copied_not_shared(tmp_path, tiny_config):
    save(tmp_path / "old", tiny_config)
    given = networks(tiny_config)
    load_initial_weights(given, tmp_path / "old")
    with torch.no_grad():
        next(given["G"].parameters()).add_(1)
    first, second = (next(given[name].parameters()) for name in ("G", "G_ema"))
    assert not first.equal(second)
