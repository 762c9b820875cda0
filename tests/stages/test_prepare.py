import csv
import hashlib
import json
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import ImageDataset, load_multiview
from mimic3d.data.schema import load_manifest
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.sources.given import GivenConfig
from mimic3d.preparation.sources.synthetic import SyntheticConfig
from pipeline.stage import run_stage
from pipeline.tracking.tracker import Tracker
from stages.prepare import CONFIG, PrepareConfig, check, run

TOY = SyntheticConfig(num_train=3, num_val=1, num_eval=1)


class Notebook(Tracker):
    """Keeps what a stage reports."""

    def __init__(self):
        super().__init__()
        self.metrics, self.images, self.steps = {}, {}, []

    def log_metrics(self, metrics, nimg):
        self.metrics |= metrics

    def log_image(self, key, image, nimg):
        self.images[key] = image

    def progress(self, done, total, text):
        self.steps.append((done, total))


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def write_photos(root, num=8, spoil=None):
    """An EG3D folder of flat images; `spoil` may change the labels or the sizes."""
    folder = root / "data" / "raw" / "photos"
    folder.mkdir(parents=True)
    labels, sizes = {}, {}
    scene = Scene(orbit_center=(0, 0, 0), pivot=(0, 0, 0))
    for index in range(num):
        camera = orbit_cameras(torch.tensor([0.1 * index]), torch.zeros(1), scene)
        labels[f"{index}.png"] = camera.labels()[0].tolist()
        sizes[f"{index}.png"] = (32, 32)
    if spoil:
        spoil(labels, sizes)
    for index, (name, size) in enumerate(sizes.items()):
        Image.new("RGB", size, (20 * index, 0, 0)).save(folder / name)
    (folder / "dataset.json").write_text(json.dumps({"labels": list(labels.items())}))
    return photos_config(val_share=0.25)


def photos_config(**given):
    return PrepareConfig(
        name="photos",
        source="given",
        resolution=16,
        gates=GatesConfig(min_kept=1),
        given=GivenConfig(path="photos", **given),
    )


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A project with a prepared toy dataset, and what the stage reported."""
    root, tracker = tmp_path_factory.mktemp("project"), Notebook()
    run(PrepareConfig(name="toy", resolution=16, synthetic=TOY), root, tracker)
    return root, tracker


def test_synthetic_heads_become_a_dataset_and_its_reports(toy, tmp_path):
    root, tracker = toy
    folder = root / "data" / "toy"
    manifest = load_manifest(folder)
    assert manifest.counts == {"train": 3, "val": 1, "eval_multiview": 6}
    train = ImageDataset(folder, "train", tmp_path / "cache")
    assert train.batch(torch.tensor([0, 5])).image.shape == (2, 3, 16, 16)
    views = load_multiview(folder, tmp_path / "cache")
    assert views is not None
    assert views.depth.min() > manifest.scene.near
    assert views.depth.max() < manifest.scene.far
    assert pq.read_table(folder / "rejects.parquet").num_rows == 0
    metrics = json.loads((root / "reports/prepare/metrics.json").read_text())
    assert metrics["num_train"] == 3
    assert metrics == tracker.metrics
    with (root / "reports/prepare/poses.csv").open() as file:
        assert sum(int(row["count"]) for row in csv.DictReader(file)) == 3
    assert tracker.images["contact_sheet"].size == (8 * 16, 2 * 16)  # 10 images
    assert tracker.steps[-1] == (10, 10)


def test_preparing_again_gives_the_same_bytes_and_another_seed_other_ones(tmp_path):
    few = SyntheticConfig(num_train=2, num_val=0, num_eval=0)
    for place, seed in (("one", 0), ("again", 0), ("other", 1)):
        cfg = PrepareConfig(name="toy", resolution=16, synthetic=few, seed=seed)
        run(cfg, tmp_path / place, Tracker())
    one, again, other = (tmp_path / place / "data/toy" for place in ("one", "again", "other"))
    assert digests(one) == digests(again)
    assert load_manifest(one).fingerprint != load_manifest(other).fingerprint


def test_identities_of_the_splits_are_disjoint(toy):
    heads = [
        set(pq.read_table(path, columns=["identity"])["identity"].to_pylist())
        for path in sorted((toy[0] / "data/toy").glob("*-of-*.parquet"))
    ]
    assert [len(names) for names in heads] == [1, 3, 1]
    assert len(set.union(*heads)) == 5


def test_given_photos_are_resized_and_keep_their_cameras(tmp_path):
    cfg = write_photos(tmp_path)
    run(cfg, tmp_path, Tracker())
    folder = tmp_path / "data" / "photos"
    manifest = load_manifest(folder)
    assert manifest.counts == {"train": 6, "val": 2, "eval_multiview": 0}
    assert manifest.scene.orbit_center == (0, 0, 0)
    assert load_multiview(folder, tmp_path / "cache") is None
    rows = pq.read_table(folder / "train-00000-of-00001.parquet").to_pylist()
    for row in rows:
        index = int(row["image_id"].removesuffix(".png"))
        assert row["yaw"] == pytest.approx(0.1 * index, abs=1e-5)
        assert row["crop"] == [0, 0, 32, 0, 32, 32, 0, 32]
        assert len(row["source_sha256"]) == 64
    first = ImageDataset(folder, "train", tmp_path / "cache").pixels(torch.tensor([0]))[0]
    index = int(rows[0]["image_id"].removesuffix(".png"))
    assert first.unique(dim=1).flatten().tolist()[0] == 20 * index


def test_a_zip_gives_the_same_dataset_as_its_folder(tmp_path):
    cfg = write_photos(tmp_path)
    run(cfg, tmp_path, Tracker())
    raw = tmp_path / "data" / "raw"
    with zipfile.ZipFile(raw / "photos.zip", "w") as archive:
        for path in (raw / "photos").iterdir():
            archive.write(path, path.name)
    zipped = cfg.model_copy(
        update={"name": "zipped", "given": GivenConfig(path="photos.zip", val_share=0.25)}
    )
    run(zipped, tmp_path, Tracker())
    one, other = (load_manifest(tmp_path / "data" / name) for name in ("photos", "zipped"))
    assert one.fingerprint == other.fingerprint


def test_bad_photos_are_rejected_with_gate_value_and_threshold(tmp_path):
    def spoil(labels, sizes):
        labels["1.png"][16] = -4.0
        sizes["3.png"] = (8, 8)

    write_photos(tmp_path, spoil=spoil)
    (tmp_path / "data/raw/photos/4.png").write_bytes(b"no image")
    run(photos_config(val_share=0), tmp_path, Tracker())
    rows = pq.read_table(tmp_path / "data/photos/rejects.parquet").to_pylist()
    assert {row["image_id"]: (row["gate"], row["value"]) for row in rows} == {
        "1.png": ("focal", -4.0),
        "3.png": ("min_side", 8.0),
        "4.png": ("unreadable", 0.0),
    }
    metrics = json.loads((tmp_path / "reports/prepare/metrics.json").read_text())
    assert metrics["num_rejected"] == 3
    assert metrics["num_rejected_min_side"] == 1


def test_keeping_nothing_is_an_error_and_leaves_the_old_dataset(tmp_path):
    run(write_photos(tmp_path), tmp_path, Tracker())
    before = digests(tmp_path / "data" / "photos")
    for path in (tmp_path / "data/raw/photos").glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"max_rejected_share .* 8 of 8 images .* \(8 empty\)"):
        run(photos_config(val_share=0), tmp_path, Tracker())
    assert digests(tmp_path / "data" / "photos") == before
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["photos", "raw"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, r"prepare.resolution must be a power of two, is 48; 64 is the next"),
        ({"name": "raw"}, "prepare.name must not be raw"),
        ({"source": "given", "given": GivenConfig(path="nothing")}, "prepare.given.path must be"),
    ],
)
def test_mistakes_are_found_before_any_compute(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        check(PrepareConfig(**changes), tmp_path)


@pytest.mark.parametrize(("value", "is_former"), [(100, True), (99.9, False), (None, False)])
def test_a_sharpness_of_the_former_measure_is_named(tmp_path, capsys, value, is_former):
    gates = GatesConfig(min_sharpness=value)
    run(PrepareConfig(gates=gates, resolution=16, synthetic=TOY), tmp_path, Tracker())
    shown = capsys.readouterr().out
    assert ("prepare.gates.min_sharpness is 100, a threshold of the former" in shown) == is_former


def test_the_stage_runs_from_params_yaml(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "prepare:\n  name: toy\n  resolution: 16\n  mirror: false\n"
        "  synthetic: {num_train: 1, num_val: 0, num_eval: 0}\n"
    )
    run_stage("prepare", tmp_path, Tracker())
    manifest = load_manifest(tmp_path / "data" / "toy")
    assert manifest.counts == {"train": 1, "val": 0, "eval_multiview": 0}
    assert not manifest.mirror
    assert CONFIG is PrepareConfig
    assert np.isfinite(manifest.average_label).all()
