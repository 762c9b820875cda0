"""`prepare` when it is killed, run twice at once, or run on other machines."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.partial_dataset import PART
from mimic3d.preparation.sources.given import GivenConfig
from pipeline.params import load_params
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, run

PROJECT = Path(__file__).parents[2]
NUM = 2 * PART + 20


class Notebook(SilentTracker):
    """Keeps how far the stage was."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def progress(self, done, total, text):
        self.steps.append((done, total))


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def write_project(root, num=NUM, side=128):
    folder = root / "data" / "raw" / "photos"
    folder.mkdir(parents=True)
    angles = torch.linspace(-0.6, 0.6, num), torch.zeros(num)
    labels = orbit_cameras(*angles, Scene(orbit_center=(0, 0, 0), pivot=(0, 0, 0))).labels()
    for index in range(num):
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:04d}.png", compress_level=0)
    listed = [[f"{index:04d}.png", label] for index, label in enumerate(labels.tolist())]
    (folder / "dataset.json").write_text(json.dumps({"labels": listed}))
    (root / "params.yaml").write_text(
        "prepare:\n  name: toy\n  source: given\n  resolution: 32\n  given:\n    path: photos\n"
    )
    return root


def start(root):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stages.prepare"]
    return subprocess.Popen(command, cwd=root, env=environment, start_new_session=True)


@pytest.mark.slow
def test_a_killed_run_is_resumed_and_ends_with_the_same_bytes(tmp_path):
    whole, killed = (write_project(tmp_path / name) for name in ("whole", "killed"))
    assert start(whole).wait() == 0
    assert not list((whole / "state" / "prepare" / "toy").iterdir())
    process = start(killed)
    deadline = time.monotonic() + 120
    while not list(killed.glob("state/prepare/toy/*/parts/kept-000000.parquet")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "data" / "toy").exists()
    notebook = Notebook()
    run(load_params("prepare", PrepareConfig, killed), killed, notebook)
    first, _ = notebook.steps[0]
    assert first >= PART
    assert first % PART == 0
    assert notebook.steps[-1] == (NUM, NUM)
    assert digests(killed / "data" / "toy") == digests(whole / "data" / "toy")


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    root = write_project(tmp_path, 200, 40)
    cores = os.sched_getaffinity(0)
    found = []
    for used in ({min(cores)}, cores):
        os.sched_setaffinity(0, used)
        try:
            run(load_params("prepare", PrepareConfig, root), root, SilentTracker())
        finally:
            os.sched_setaffinity(0, cores)
        found.append(digests(root / "data" / "toy"))
    assert found[0] == found[1]


def test_changed_inputs_are_not_resumed(tmp_path):
    root = write_project(tmp_path, 12, 40)
    cfg = load_params("prepare", PrepareConfig, root)
    stale = root / "state" / "prepare" / "toy" / "0123456789ab" / "parts"
    stale.mkdir(parents=True)
    (stale / "kept-000000.parquet").write_bytes(b"of another run")
    run(cfg, root, SilentTracker())
    assert not stale.exists()
    before = digests(root / "data" / "toy")
    Image.new("RGB", (40, 40)).save(root / "data" / "raw" / "photos" / "0003.png")
    run(cfg, root, SilentTracker())
    assert digests(root / "data" / "toy") != before


def test_two_runs_of_one_dataset_do_not_mix(tmp_path):
    root = write_project(tmp_path, 12, 40)
    cfg = load_params("prepare", PrepareConfig, root)
    (root / "state" / "prepare").mkdir(parents=True)
    with FileLock(root / "state" / "prepare" / "toy.lock"):
        with pytest.raises(ValueError, match=r"data/toy must be prepared by one process at a time"):
            run(cfg, root, SilentTracker())
    run(cfg, root, SilentTracker())


def test_a_run_that_failed_in_the_end_repeats_no_image(tmp_path):
    root = write_project(tmp_path, 12, 40)
    cfg = load_params("prepare", PrepareConfig, root)
    strict = cfg.model_copy(update={"gates": GatesConfig(min_kept=13)})
    with pytest.raises(ValueError, match=r"prepare.gates.min_kept must be reached = 13, 12 of 12"):
        run(strict, root, SilentTracker())
    assert list(root.glob("state/prepare/toy/*/rejects.csv"))
    notebook = Notebook()
    run(cfg, root, notebook)
    assert notebook.steps == [(12, 12)]
    assert not list((root / "state" / "prepare" / "toy").iterdir())


def test_a_changed_parameter_starts_anew(tmp_path):
    root = write_project(tmp_path, 12, 40)
    cfg = load_params("prepare", PrepareConfig, root)
    run(cfg, root, SilentTracker())
    before = digests(root / "data" / "toy")
    smaller = cfg.model_copy(update={"given": GivenConfig(path="photos", val_share=0.5)})
    run(smaller, root, SilentTracker())
    assert digests(root / "data" / "toy") != before
