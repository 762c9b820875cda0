import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, save_snapshot
from tools.view.snapshots import Collection


@pytest.fixture
def write_snapshot(tiny_config):
    """Writes a snapshot of a tiny generator of both branches."""

    def write(folder, seed=0, nimg=4, fingerprint=""):
        torch.manual_seed(seed)
        cfg = tiny_config.model_copy(update={"detail": True})
        straight = torch.zeros(1)
        label = orbit_cameras(straight + 0.1, straight, Scene()).labels()[0].tolist()
        meta = SnapshotMeta(
            stage="imitate", nimg=nimg, dataset_fingerprint=fingerprint, average_label=tuple(label),
            scene=Scene(), generator=cfg, discriminator=DiscriminatorConfig(),
        )  # fmt: skip
        G = Generator(cfg, Scene())
        with torch.no_grad():  # the images of fresh weights are hardly textured
            G.decoder.hidden_weight.mul_(20)
        save_snapshot(folder, meta, {"G_ema": G})
        return folder

    return write


@pytest.fixture
def collection(write_snapshot, tmp_path):
    write_snapshot(tmp_path / "runs" / "first", seed=1)
    write_snapshot(tmp_path / "runs" / "second", seed=2, nimg=2000)
    return Collection([tmp_path / "runs"], torch.device("cpu"), "torch")


@pytest.fixture
def subject(collection):
    return collection.subject("runs/first")
