import math

import numpy as np
import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.images import encode_png, sha256_of
from mimic3d.data.schema import EVAL_YAWS_RAD
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.pose import PoseResult, whole_image
from mimic3d.preparation.review import collect_outcomes
from mimic3d.preparation.sample import Sample
from mimic3d.preparation.shards import DatasetInfo
from mimic3d.preparation.shards import write_dataset as write_shards

RESOLUTION = 16


def fake_sample(index: int, yaw: float | None = None, with_depth: bool = False) -> Sample:
    """Random pixels with a true camera."""
    rng = np.random.default_rng(index)
    pixels = rng.integers(0, 256, (RESOLUTION, RESOLUTION, 3), dtype=np.uint8)
    yaw = 0.6 * math.sin(index) if yaw is None else yaw
    camera = orbit_cameras(torch.tensor([yaw]), torch.tensor([0.0 if with_depth else 0.1]), Scene())
    truth = {}
    if with_depth:
        depth = rng.uniform(2.5, 3.5, (RESOLUTION, RESOLUTION)).astype("<f4")
        truth = {"mask": encode_png(pixels[..., 0].copy()), "depth": depth.tobytes()}
    return Sample(
        image_id=f"image-{index:04d}",
        identity=str(index // len(EVAL_YAWS_RAD)) if with_depth else "",
        image=encode_png(pixels),
        pixels_sha256=sha256_of(pixels),
        pose=PoseResult(
            camera.cam2world[0].numpy(),
            camera.intrinsics[0].numpy(),
            whole_image(RESOLUTION, RESOLUTION),
            1.0,
            0.0,
        ),
        source="test",
        source_sha256="",
        estimator="test",
        factors=(float(index), 0.5),
        **truth,
    )


def write_dataset(folder, num=10, images_per_shard=256, order=None, mirror=True, num_heads=2):
    """A dataset of random pixels."""
    tasks = [("train", fake_sample(i)) for i in (order if order is not None else range(num))]
    for index in range(num_heads * len(EVAL_YAWS_RAD)):
        yaw = EVAL_YAWS_RAD[index % len(EVAL_YAWS_RAD)]
        tasks.append(("eval_multiview", fake_sample(1000 + index, yaw, with_depth=True)))
    return write_tasks(folder, tasks, images_per_shard, mirror)


def write_tasks(folder, tasks, images_per_shard=256, mirror=True, weights=None, before=()):
    """A dataset of samples and rejects that are made already."""
    folder.mkdir(parents=True)
    partial = PartialDataset(folder.with_name(f".{folder.name}.partial"), Scene(), mirror)
    list(partial.fill(tasks, lambda items: ([item] for item in items)))
    outcomes = collect_outcomes(partial, before, 4)
    about = DatasetInfo("toy", "given", RESOLUTION, "none", Scene(), mirror, "none")
    if weights is None:
        weights = np.ones(sum(outcome.is_kept for outcome in outcomes), dtype=np.float32)
    return write_shards(folder, partial, outcomes, weights, about, images_per_shard)


@pytest.fixture
def dataset(tmp_path):
    write_dataset(tmp_path / "toy")
    return tmp_path / "toy"


@pytest.fixture
def make_dataset():
    return write_dataset


@pytest.fixture
def make_sample():
    return fake_sample


@pytest.fixture
def make_tasks():
    return write_tasks
