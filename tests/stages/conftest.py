"""Photos with known cameras, and the stage that prepares them."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.schema import load_manifest
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.sources.given import GivenConfig
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, check, run

NUM = 12
YAWS = np.linspace(-0.6, 0.6, NUM)
PITCHES = 0.2 * np.sin(np.arange(NUM))
EG3D = Scene(orbit_center=(0, 0, 0), pivot=(0, 0, 0))


def textured(index, size=(96, 80)):
    rng = np.random.default_rng(index)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def cameras(scene=None):
    angles = torch.tensor(YAWS).float(), torch.tensor(PITCHES).float()
    return orbit_cameras(*angles, scene or Scene())


def prepare(root, source, resolution=16, gates=None, **groups):
    cfg = PrepareConfig(
        name="toy", source=source, resolution=resolution, gates=gates or GatesConfig(), **groups
    )
    check(cfg, root)
    run(cfg, root, SilentTracker())
    folder = root / "data" / "toy"
    rows = [
        row
        for split in ("train", "val")
        for path in folder.glob(f"{split}-*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    rejects = pq.read_table(folder / "rejects.parquet").to_pylist()
    rejected = {row["image_id"]: row["gate"] for row in rejects}
    return load_manifest(folder), {row["image_id"]: row for row in rows}, rejected


def raw(root, name="photos"):
    folder = root / "data" / "raw" / name
    folder.mkdir(parents=True)
    return folder


def write_transforms(root, size=(96, 64), **facts):
    """A scene of NeRF: OpenGL axes, z up, its own scale, off the origin, landscape images."""
    folder = raw(root, "scene")
    ours = cameras(EG3D).cam2world.double().numpy()
    to_z_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    frames = []
    for index, pose in enumerate(ours):
        matrix = pose @ np.diag([1.0, -1, -1, 1])
        matrix[:3] = to_z_up @ matrix[:3]
        matrix[:3, 3] = 3 * matrix[:3, 3] + [5, 6, 7]
        textured(index, size).save(folder / f"{index}.png")
        frames.append({"file_path": f"./{index}", "transform_matrix": matrix.tolist()})
    content = {"camera_angle_x": 0.6, **facts, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(content))
    return content


def write_labels(folder, labels):
    """A dataset.json for images 00.png, 01.png and so on."""
    listed = [[f"{index:02d}.png", label] for index, label in enumerate(labels)]
    (folder / "dataset.json").write_text(json.dumps({"labels": listed}))


@pytest.fixture
def studio():
    return SimpleNamespace(
        num=NUM, yaws=YAWS, pitches=PITCHES, eg3d=EG3D, textured=textured, cameras=cameras,
        prepare=prepare, raw=raw, write_transforms=write_transforms, write_labels=write_labels,
    )  # fmt: skip


@pytest.fixture
def prepare_given(tmp_path):
    """Prepares the folder of `given_folder`; gives the manifest, rows and rejects."""

    def run(resolution=128, **given):
        config = GivenConfig(**{"path": "d"} | given)
        return prepare(tmp_path, "given", resolution, given=config)

    return run


@pytest.fixture
def given_folder(tmp_path):
    """The folder data/raw/d of a project."""
    path = tmp_path / "data" / "raw" / "d"
    path.mkdir(parents=True)
    return path
