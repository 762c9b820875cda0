import csv
import math

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from mimic3d.cameras import Scene, cameras_from_labels, project
from mimic3d.data.dataset import ImageDataset
from mimic3d.data.images import decode_png
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.sources.given import GivenConfig, plan_given
from stages.prepare import PrepareConfig, check


def test_foreign_cameras_are_moved_into_the_scene_and_training_is_told(studio, tmp_path):
    studio.write_transforms(tmp_path)
    given = GivenConfig(path="scene", up="world")
    manifest, rows, _ = studio.prepare(tmp_path, "given", given=given)
    turn = rows["0.png"]["yaw"] - studio.yaws[0]  # the front is where the cameras stand on average
    assert abs(turn) < 0.05
    for index in range(studio.num):
        row = rows[f"{index}.png"]
        assert row["yaw"] - turn == pytest.approx(studio.yaws[index], abs=1e-4)
        assert row["pitch"] == pytest.approx(studio.pitches[index], abs=1e-4)
        assert row["radius"] == pytest.approx(2.7, abs=1e-4)
        focal = 0.5 / math.tan(0.3) * 96 / 64  # of the middle square
        lens = [focal, 0, 0.5, 0, focal, 0.5, 0, 0, 1]
        np.testing.assert_allclose(row["intrinsics"], lens, rtol=1e-6)
        assert row["crop"] == [16, 0, 80, 0, 80, 64, 16, 64]
    moved = manifest.normalization
    assert moved is not None
    np.testing.assert_allclose(moved.pivot, [5, 7, -6], atol=1e-4)  # y up
    assert moved.scale == pytest.approx(1 / 3, rel=1e-4)
    scene = manifest.scene
    assert (scene.near, scene.far, scene.box_warp) == (moved.near, moved.far, moved.box_warp)
    assert scene.focal == pytest.approx(0.5 / math.tan(0.3) * 1.5)


def test_a_crop_and_its_intrinsics_agree_with_the_pixels(studio, tmp_path):
    """A pixel of the source is where the new intrinsics say that its ray meets the crop."""
    studio.write_transforms(tmp_path, (96, 64))
    given = GivenConfig(path="scene")
    _, rows, _ = studio.prepare(tmp_path, "given", resolution=64, given=given)
    source = np.asarray(Image.open(tmp_path / "data/raw/scene/3.png"))
    crop = decode_png(rows["3.png"]["image"]["bytes"])
    focal_px = 0.5 * 96 / math.tan(0.3)
    lens = np.reshape(rows["3.png"]["intrinsics"], (3, 3))
    for x, y in ((16, 0), (79, 63), (40, 20)):
        ray = [(x + 0.5 - 48) / focal_px, (y + 0.5 - 32) / focal_px, 1]
        column, row = (lens @ ray)[:2] * 64
        np.testing.assert_array_equal(crop[int(row), int(column)], source[y, x])


def test_a_mirrored_photo_shows_the_mirrored_point_where_the_mirrored_camera_sees_it(
    studio, tmp_path
):
    """On the pixels that training reads, with principal points off the middle."""
    folder, side = studio.raw(tmp_path, "spots"), 64
    seen = studio.cameras(studio.eg3d)
    seen.intrinsics[:, :2, 2] += torch.tensor([0.06, -0.04])
    point = torch.tensor([0.09, 0.07, 0.12])
    positions, _ = project(point.expand(studio.num, 1, 3), seen)
    labels = seen.labels().tolist()
    for index in range(studio.num):
        pixels = np.zeros((side, side, 3), dtype=np.uint8)
        column, row = (positions[index, 0] * side).int().tolist()
        pixels[row, column] = 255
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    studio.write_labels(folder, labels)
    studio.prepare(tmp_path, "given", side, given=GivenConfig(path="spots", val_share=0))
    dataset = ImageDataset(tmp_path / "data" / "toy", "train", tmp_path / "cache")
    assert len(dataset) == 2 * studio.num
    mirrored = cameras_from_labels(dataset.labels[studio.num :])
    expected, _ = project((point * torch.tensor([-1.0, 1, 1])).expand(studio.num, 1, 3), mirrored)
    for index in range(studio.num):
        row, column = dataset.pixels(torch.tensor([studio.num + index]))[0, 0].nonzero()[0].tolist()
        middle = torch.tensor([column + 0.5, row + 0.5]) / side
        assert (middle - expected[index, 0]).abs().max() < 1 / side


def as_colmap(studio, root):
    """The same scene as COLMAP writes it."""
    folder = studio.raw(root, "colmap")
    (folder / "sparse" / "0").mkdir(parents=True)
    (folder / "images").mkdir()
    focal = 0.5 * 96 / math.tan(0.3)
    (folder / "sparse/0/cameras.txt").write_text(f"1 SIMPLE_PINHOLE 96 64 {focal} 48 32\n")
    lines = []
    for index, frame in enumerate(studio.write_transforms(root)["frames"]):
        cam2world = np.array(frame["transform_matrix"]) @ np.diag([1.0, -1, -1, 1])
        rotation = cam2world[:3, :3].T
        shift = -rotation @ cam2world[:3, 3]
        x, y, z, w = Rotation.from_matrix(rotation).as_quat()
        numbers = " ".join(repr(float(value)) for value in (w, x, y, z, *shift))
        lines.append(f"{index + 1} {numbers} 1 {index}.png\n1.0 2.0 -1\n")
        (root / f"data/raw/scene/{index}.png").rename(folder / f"images/{index}.png")
    studio.textured(99, (96, 64)).save(folder / "images" / "lost.png")
    (folder / "sparse/0/images.txt").write_text("".join(lines))


def as_table(studio, root):
    """The same scene as a table of cameras: OpenCV axes, y up."""
    folder = studio.raw(root, "table")
    rows = []
    to_y_up = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    for index, frame in enumerate(studio.write_transforms(root)["frames"]):
        pose = to_y_up @ np.array(frame["transform_matrix"]) @ np.diag([1.0, -1, -1, 1])
        focal = 0.5 * 96 / math.tan(0.3)
        lens = {"fx": focal, "fy": focal, "cx": 48, "cy": 32, "width": 96, "height": 64}
        matrix = {f"m{row}{column}": pose[row, column] for row in range(4) for column in range(4)}
        rows.append({"image": f"{index}.png", **matrix, **lens})
        (root / f"data/raw/scene/{index}.png").rename(folder / f"{index}.png")
    with (folder / "cameras.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@pytest.mark.parametrize(
    ("write", "path", "prefix", "left"),
    [
        (as_colmap, "colmap", "images/", {"images/lost.png": "no_camera"}),
        (as_table, "table", "", {}),
    ],
)
def test_a_scene_is_the_same_in_every_layout(studio, tmp_path, write, path, prefix, left):
    write(studio, tmp_path / "other")
    studio.write_transforms(tmp_path / "nerf")
    _, rows, _ = studio.prepare(tmp_path / "nerf", "given", given=GivenConfig(path="scene"))
    manifest, others, rejected = studio.prepare(
        tmp_path / "other", "given", given=GivenConfig(path=path)
    )
    assert rejected == left
    assert manifest.normalization is not None
    for index in range(studio.num):
        one, other = rows[f"{index}.png"], others[f"{prefix}{index}.png"]
        np.testing.assert_allclose(one["cam2world"], other["cam2world"], atol=2e-5)
        np.testing.assert_allclose(one["intrinsics"], other["intrinsics"], rtol=1e-6)


def test_given_scene_fields_are_written_and_checked(studio, tmp_path):
    """ShapeNet's cars (EG3D): cameras at 1.7, white background, a box of 1.6."""
    folder = studio.raw(tmp_path, "cars")
    scene = Scene(radius=1.7, orbit_center=(0, 0, 0), pivot=(0, 0, 0), focal=1.7074)
    labels = studio.cameras(scene).labels().tolist()
    for index in range(studio.num):
        image = studio.textured(index, (32, 32))
        image.putalpha(0)
        image.save(folder / f"{index:02d}.png")
    studio.write_labels(folder, labels)
    stated = {"radius": 1.7, "near": 0.1, "far": 2.6, "box_warp": 1.6, "white_back": True}
    given = GivenConfig(path="cars", focal=1.7074, pivot=(0.0, 0.0, 0.0), **stated)
    manifest, rows, _ = studio.prepare(tmp_path, "given", given=given)
    assert manifest.scene == Scene(orbit_center=(0, 0, 0), pivot=(0, 0, 0), focal=1.7074, **stated)
    assert (decode_png(rows["00.png"]["image"]["bytes"]) == 255).all()
    assert manifest.normalization is None
    wrong = GivenConfig(path="cars", radius=1.7)
    with pytest.raises(ValueError, match=r"given.near and far .* median distance of 1.7 .* 2.25"):
        check(PrepareConfig(source="given", given=wrong), tmp_path)


def test_cameras_that_are_none_are_rejected_one_by_one(studio, tmp_path):
    folder = studio.raw(tmp_path, "eg3d")
    labels = studio.cameras(studio.eg3d).labels().double().numpy()
    labels[1, 3] = np.nan
    labels[2, :16] *= 1.1
    labels[3, [1, 5, 9]] += 0.2 * labels[3, [0, 4, 8]]  # y leans towards x
    labels[4, 16] = 0
    labels[5, 12] = 0.3
    labels[7, [3, 7, 11]] *= 1.4
    labels[6, 18] = 0.9
    for index in range(studio.num):
        studio.textured(index, (32, 32)).save(folder / f"{index:02d}.png")
    studio.write_labels(folder, labels.tolist())
    gates = GatesConfig(min_kept=5, max_rejected_share=0.6)
    _, rows, rejected = studio.prepare(
        tmp_path, "given", gates=gates, given=GivenConfig(path="eg3d")
    )
    assert rejected == {
        "01.png": "finite",
        "02.png": "determinant",
        "03.png": "orthonormal",
        "04.png": "focal",
        "05.png": "last_row",
        "06.png": "principal_point",
        "07.png": "radius",
    }
    assert len(rows) == studio.num - 7


@pytest.mark.parametrize(
    ("source", "groups", "message"),
    [
        ("external", {}, r"prepare.external.command must be a command with {images} and {output}"),
        (
            "given",
            {"given": GivenConfig(path="gone")},
            r"prepare.given.path must be a file or fold",
        ),
        ("given", {"given": GivenConfig(path="../x")}, r"prepare.given.path must be a path below"),
        ("given", {}, r"prepare.given.cameras must be a file of cameras in .*, none is there"),
        ("landmarks", {}, r"prepare.landmarks.table must be a file or folder below"),
        (
            "given",
            {"given": GivenConfig(path="photos", reject_list="veto.txt")},
            r"prepare.given.reject_list must name images of .*, 77.png is none",
        ),
    ],
)
def test_mistakes_are_found_before_any_compute(studio, tmp_path, source, groups, message):
    folder = studio.raw(tmp_path)
    studio.textured(0).save(folder / "0.png")
    (tmp_path / "data/raw/veto.txt").write_text("# bad ones\n77.png\n")
    with pytest.raises(ValueError, match=message):
        check(PrepareConfig(source=source, **groups), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_person_may_veto_images(studio, tmp_path):
    studio.write_transforms(tmp_path)
    (tmp_path / "data/raw/veto.txt").write_text("# overlays that are off\n3.png\n\n  7.png \n")
    given = GivenConfig(path="scene", reject_list="veto.txt")
    _, rows, rejected = studio.prepare(tmp_path, "given", given=given)
    assert rejected == {"3.png": "vetoed", "7.png": "vetoed"}
    assert len(rows) == studio.num - 2


def test_the_plan_of_the_check_is_that_of_the_run(studio, tmp_path, monkeypatch):
    """Reading all cameras takes its time; files that changed since are read again."""
    studio.write_transforms(tmp_path)
    calls = []

    def count(*arguments):
        calls.append(arguments)
        return plan_given(*arguments)

    monkeypatch.setattr("stages.sources.plan_given", count)
    given = GivenConfig(path="scene")
    studio.prepare(tmp_path, "given", given=given)
    assert len(calls) == 1
    (tmp_path / "data/raw/scene/3.png").unlink()
    _, _, rejected = studio.prepare(tmp_path, "given", given=given)
    assert len(calls) == 2
    assert rejected == {"./3": "no_image"}  # as its frame names it


def test_datasets_opens_what_was_prepared(studio, tmp_path, monkeypatch):
    """By the library's own loader, without network, with the origin of every image."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    studio.write_transforms(tmp_path)
    manifest, rows, _ = studio.prepare(
        tmp_path, "given", given=GivenConfig(path="scene", val_share=0.25)
    )
    folder = str(tmp_path / "data" / "toy")
    splits = {split: f"{folder}/{split}-*.parquet" for split in ("train", "val")}
    opened = datasets.load_dataset("parquet", data_files=splits, cache_dir=str(tmp_path / "hf"))
    assert {split: len(opened[split]) for split in splits} == {
        split: manifest.counts[split] for split in splits
    }
    for row in opened["train"]:
        assert row["image"].size == (16, 16)  # decoded by the library
        assert row["photo"]["file"] == row["image_id"]
        assert row["photo"] == rows[row["image_id"]]["photo"]
    plain = datasets.load_dataset(folder, cache_dir=str(tmp_path / "hf2"))
    assert len(plain["train"]) == manifest.counts["train"]
