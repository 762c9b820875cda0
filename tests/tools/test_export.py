import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.schema import load_manifest
from mimic3d.preparation.sources.given import GivenConfig
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, run
from tools.export import describe_cameras, export_eg3d, main, read_split

NUM = 20
SCENE = {"orbit_center": (0.0, 0.0, 0.2), "pivot": (0.0, 0.0, 0.2), "near": 2.5, "far": 3.6}


def prepare(root, name, path, val_share):
    given = GivenConfig(path=path, val_share=val_share, **SCENE)
    run(PrepareConfig(name=name, source="given", resolution=16, given=given), root, SilentTracker())
    return root / "data" / name


@pytest.fixture
def dataset(tmp_path):
    """Random images with cameras whose principal points are off the middle."""
    folder = tmp_path / "data" / "raw" / "first"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    angles = torch.linspace(-0.6, 0.6, NUM), torch.linspace(-0.2, 0.3, NUM)
    labels = orbit_cameras(*angles, Scene()).labels()
    labels[:, [18, 21]] += torch.tensor(rng.uniform(-0.05, 0.05, (NUM, 2))).float()
    for index in range(NUM):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    listed = [[f"{index:02d}.png", label] for index, label in enumerate(labels.tolist())]
    (folder / "dataset.json").write_text(json.dumps({"labels": listed}))
    return prepare(tmp_path, "toy", "first", 0.2)


@pytest.fixture
def export(capsys):
    def call(*arguments):
        assert main([*map(str, arguments)]) == 0
        return capsys.readouterr().out

    return call


def contents(folder, *splits):
    items = [item for split in splits for item in read_split(folder, split)]
    return np.stack([pixels for pixels, _ in items]), np.array([label for _, label in items])


@pytest.mark.parametrize("target", ["heads.zip", "heads"])
def test_what_is_exported_and_imported_again_is_the_same(dataset, export, target):
    root = dataset.parents[1]
    path = root / "data" / "raw" / target
    assert export(dataset, path).splitlines()[0] == f"{NUM} images in {path}"
    again = prepare(root, "again", target, 0)
    for one, other in zip(contents(dataset, "train", "val"), contents(again, "train"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert load_manifest(again).scene == load_manifest(dataset).scene
    assert load_manifest(again).normalization is None


def test_the_words_for_a_trainer_are_those_of_the_scene():
    words = describe_cameras(Scene(orbit_center=(0, 0, 0.2), pivot=(0, 0, 0.1), near=2.45, far=3.5))
    assert "orbit (0, 0, 0.2) at 2.7" in words
    assert "ray_start: 2.45, ray_end: 3.5, box_warp: 1," in words
    assert "avg_camera_pivot: [0, 0, 0.1]" in words


def test_only_the_splits_asked_for_are_exported(dataset, tmp_path, export):
    export(dataset, tmp_path / "val.zip", "--split", "val")
    names = zipfile.ZipFile(tmp_path / "val.zip").namelist()
    assert names == [*(f"00000/img{index:08d}.png" for index in range(4)), "dataset.json"]


def test_what_is_no_dataset_is_an_error_and_leaves_no_file(tmp_path, export, capsys):
    assert main([str(tmp_path / "missing"), str(tmp_path / "out.zip")]) == 1
    assert "holds no prepared dataset" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_splits_without_images_are_an_error(dataset, tmp_path):
    with pytest.raises(ValueError, match="splits must be of train"):
        export_eg3d(dataset, tmp_path / "out.zip", ["test"])
    with pytest.raises(ValueError, match="has no images in eval_multiview"):
        export_eg3d(dataset, tmp_path / "out.zip", ["eval_multiview"])


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_that_exists_is_replaced(dataset, tmp_path):
    album = tmp_path / "album"
    album.mkdir()
    (album / "diary.txt").write_text("precious")
    (tmp_path / "old.zip").write_text("precious")
    (tmp_path / "link").symlink_to(album)
    before = files_below(tmp_path)
    targets = (album, dataset, dataset.parent, tmp_path, tmp_path / "old.zip", tmp_path / "link")
    for target in targets:
        with pytest.raises(ValueError, match="exists and would be lost; remove it yourself"):
            export_eg3d(dataset, target, ["train"])
    assert files_below(tmp_path) == before


def test_an_empty_folder_may_be_the_target(dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    export_eg3d(dataset, tmp_path / "empty", ["val"])
    assert (tmp_path / "empty" / "dataset.json").exists()


def test_a_known_point_is_where_eg3d_reads_it(tmp_path):
    """A reader of its own, from EG3D's description of labels and rays.

    25 numbers: camera to world, row by row, then intrinsics for an image of side 1; camera axes x
    right, y down, z forward; pixel i has its centre at (i + 0.5) / resolution.
    """
    point, side = np.array([0.1, 0.15, 0.12]), 32
    folder = tmp_path / "data" / "raw" / "dots"
    folder.mkdir(parents=True)
    cameras = orbit_cameras(torch.linspace(-0.5, 0.5, NUM), torch.linspace(-0.2, 0.3, NUM), Scene())
    labels = cameras.labels().double().tolist()
    for index, label in enumerate(labels):
        pose, lens = np.reshape(label[:16], (4, 4)), np.reshape(label[16:], (3, 3))
        local = pose[:3, :3].T @ (point - pose[:3, 3])
        column, row = ((lens @ (local / local[2]))[:2] * side).astype(int)
        pixels = np.zeros((side, side, 3), dtype=np.uint8)
        pixels[row, column] = 255
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    listed = [[f"{index:02d}.png", label] for index, label in enumerate(labels)]
    (folder / "dataset.json").write_text(json.dumps({"labels": listed}))
    given = GivenConfig(path="dots", val_share=0, **SCENE)
    config = PrepareConfig(name="dots", source="given", resolution=side, given=given)
    run(config, tmp_path, SilentTracker())
    export_eg3d(tmp_path / "data" / "dots", tmp_path / "dots.zip", ["train"])
    archive = zipfile.ZipFile(tmp_path / "dots.zip")
    for name, label in json.loads(archive.read("dataset.json"))["labels"]:
        pixels = np.asarray(Image.open(archive.open(name)))
        row, column = np.argwhere(pixels[..., 0] > 127)[0]
        u, v = (column + 0.5) / side, (row + 0.5) / side
        fx, fy, cx, cy = label[16], label[20], label[18], label[21]
        pose = np.reshape(label[:16], (4, 4))
        ray = pose[:3, :3] @ [(u - cx) / fx, (v - cy) / fy, 1.0]
        offset = point - pose[:3, 3]
        miss = np.linalg.norm(np.cross(ray / np.linalg.norm(ray), offset))
        assert miss < np.linalg.norm(offset) / fx / side  # of a pixel
