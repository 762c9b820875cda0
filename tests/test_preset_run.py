import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.weights import vgg_state
from PIL import Image
from ruamel.yaml import YAML

from mimic3d.cameras import Scene, orbit_cameras
from pipeline.stage import run_stage
from pipeline.tracking.tracker import SilentTracker
from tools.preset import STAGES

PRESETS = Path(__file__).parents[1] / "presets"

TINY = """
prepare: {resolution: 64}
pretrain:
  monitor: {num_images: 8, num_identities: 2}
  loop: {total_kimg: 0.016, batch: 8, microbatch: 4, tick_kimg: 0.016, snapshot_ticks: 1}
  generator:
    image_resolution: 64
    neural_rendering_resolution: 16
    plane_resolution: 16
    plane_channels: 4
    feature_channels: 4
    z_dim: 8
    w_dim: 8
    backbone: {channel_base: 64, channel_max: 8}
    decoder: {hidden_channels: 8}
    superresolution: {channels: 4}
    rendering: {depth_resolution: 6, depth_resolution_importance: 6}
  discriminator: {channel_base: 64, channel_max: 8}
  density: {num_points: 16}
imitate:
  monitor: {num_images: 8, num_identities: 2}
  loop: {total_kimg: 0.016, batch: 8, microbatch: 4, tick_kimg: 0.016, snapshot_ticks: 1}
  imitation: {perceptual: {vgg16_sha256: null}}
  patch_discriminator: {channel_base: 64, channel_max: 8}
evaluate:
  distribution: {num_images: 8}
  consistency: {num_identities: 2}
  gallery: {num_samples: 4, num_frames: 4}
"""


def merge(base: dict, changes: dict) -> dict:
    """Groups that keep what is not changed."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = merge(base[key], value) if both else value
    return merged


def write_tiny(name: str, root: Path, *changes: dict) -> None:
    """A preset with tiny networks, few images and weight files that lie in `root`."""
    yaml = YAML(typ="safe")
    params = yaml.load(PRESETS / f"{name}.yaml")
    files = {"vgg16_weights": str(root / "vgg16.pth"), "lpips_weights": str(root / "lpips.pth")}
    local = {"imitate": {"imitation": {"perceptual": files}}}
    for change in (yaml.load(TINY), local, *changes):
        params = merge(params, change)
    yaml.dump(params, root / "params.yaml")


def write_zip(path: Path, num: int, side: int) -> None:
    """Blobs seen from several sides, in EG3D's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yaw = torch.linspace(-0.4, 0.4, num)
    scene = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))
    labels = orbit_cameras(yaw, torch.zeros_like(yaw), scene).labels()
    u, v = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    with zipfile.ZipFile(path, "w") as archive:
        listed = []
        for k in range(num):
            blob = np.exp(-3 * ((u - yaw[k].item()) ** 2 + v**2))
            pixels = np.stack([blob, blob**2, 1 - blob], axis=-1) * 255
            entry = f"00000/img{k:08d}.png"
            with archive.open(entry, "w") as file:
                Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
            listed.append([entry, labels[k].tolist()])
        archive.writestr("dataset.json", json.dumps({"labels": listed}))


@pytest.mark.slow
def test_a_preset_runs_at_a_tiny_size(tmp_path):
    """All four stages of the cats, which start from stage 1 of the faces and are augmented."""
    vgg, linear = vgg_state()
    torch.save(vgg, tmp_path / "vgg16.pth")
    torch.save(linear, tmp_path / "lpips.pth")
    write_zip(tmp_path / "data" / "raw" / "FFHQ_256.zip", 24, 64)
    write_zip(tmp_path / "data" / "raw" / "afhq_v2_256.zip", 16, 64)
    write_tiny("ffhq256", tmp_path)
    for stage in ("prepare", "pretrain"):
        run_stage(stage, tmp_path, SilentTracker())
    shutil.copytree(tmp_path / "runs/pretrain/snapshot", tmp_path / "data/init/ffhq256")

    write_tiny("afhq256", tmp_path, {"pretrain": {"augment": {"initial_p": 0.5}}})
    for stage in STAGES:
        run_stage(stage, tmp_path, SilentTracker())
    manifest = json.loads((tmp_path / "data/afhq256/manifest.json").read_text())
    assert manifest["counts"]["train"] == 16
    for stage in ("pretrain", "imitate"):
        metrics = json.loads((tmp_path / f"reports/{stage}/metrics.json").read_text())
        assert 0.4 < metrics["last_tick"]["augment/p"] < 0.6
        assert (tmp_path / f"runs/{stage}/snapshot/augment.safetensors").is_file()
    assert metrics["last_tick"]["loss/imitation"] > 0
    assert json.loads((tmp_path / "reports/evaluate/metrics.json").read_text())
