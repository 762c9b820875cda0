import csv
import json
import zipfile

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mimic3d.cameras import project
from mimic3d.preparation.sources.estimated import LandmarksConfig
from stages.prepare import PrepareConfig, check

TEMPLATE = {
    "left eye": (0.15, 0.1, 0.2), "right eye": (-0.15, 0.1, 0.2), "nose": (0.0, 0.0, 0.33),
    "chin": (0.0, -0.2, 0.2), "left ear": (0.22, 0.0, -0.05), "right ear": (-0.22, 0.0, -0.05),
}  # fmt: skip


def write_landmarks(studio, root, prefix=""):
    """Photos in which the template's points were seen by known cameras, and their table."""
    folder = studio.raw(root)
    points = torch.tensor(list(TEMPLATE.values())).float().expand(studio.num, -1, -1)
    positions, _ = project(points, studio.cameras())
    with (root / "data" / "raw" / "landmarks.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "name", "x", "y"])
        for index in range(studio.num):
            studio.textured(index).save(folder / f"{index:02d}.png")
            pixels = positions[index].numpy() * 60 + [15, 11]  # a crop of 60 px at (15, 11)
            for name, (x, y) in zip(TEMPLATE, pixels.tolist(), strict=True):
                table.writerow([f"{prefix}{index:02d}.png", name, x, y])
    studio.textured(99).save(folder / "unmarked.png")
    points = {name: list(point) for name, point in TEMPLATE.items()}
    (root / "data/raw/template.yaml").write_text(
        f"# where the landmarks lie\npoints: {json.dumps(points)}\n"
        "pairs: [[left eye, right eye], [left ear, right ear]]\n"
    )
    return folder


def as_folder(folder):
    return folder.name


def as_zip(folder):
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    return "photos.zip"


def as_table(folder):
    """What `datasets` saves, with the names in a column."""
    paths = sorted(folder.iterdir())
    columns = {"image": [str(path) for path in paths], "file_name": [path.name for path in paths]}
    features = datasets.Features({"image": datasets.Image(), "file_name": datasets.Value("string")})
    table = datasets.Dataset.from_dict(columns, features=features)
    table.save_to_disk(str(folder.with_name("saved")))
    return "saved"


def as_parquet(folder):
    rows = {
        "image": [{"bytes": path.read_bytes(), "path": None} for path in sorted(folder.iterdir())],
        "image_id": sorted(path.name for path in folder.iterdir()),
    }
    (folder.parent / "tables").mkdir()
    pq.write_table(pa.table(rows), folder.parent / "tables" / "a.parquet")
    return "tables"


@pytest.mark.parametrize("store", [as_folder, as_zip, as_table, as_parquet])
def test_landmarks_and_a_template_give_cameras_and_crops(studio, tmp_path, store):
    path = store(write_landmarks(studio, tmp_path))
    landmarks = LandmarksConfig(path=path, template="template.yaml", min_extent_px=10)
    manifest, rows, rejected = studio.prepare(tmp_path, "landmarks", landmarks=landmarks)
    assert rejected == {"unmarked.png": "no_landmarks"}
    assert len(rows) == studio.num
    for index in range(studio.num):
        row = rows[f"{index:02d}.png"]
        assert row["yaw"] == pytest.approx(studio.yaws[index], abs=2e-3)
        assert row["pitch"] == pytest.approx(studio.pitches[index], abs=2e-3)
        np.testing.assert_allclose(row["crop"], [15, 11, 75, 11, 75, 71, 15, 71], atol=0.1)
        assert row["estimator"] == "landmarks"
    assert manifest.scene.pivot == (0, 0, 0.2)
    assert (manifest.scene.near, manifest.scene.far) == (2.45, 3.5)
    stored = json.loads((tmp_path / "data/toy/template.json").read_text())
    assert stored["points"]["nose"] == [0, 0, 0.33]


def test_the_table_may_name_images_from_data_raw_on_and_other_files_are_listed(studio, tmp_path):
    folder = write_landmarks(studio, tmp_path, "photos/")
    (folder / "notes.txt").write_text("no photo")
    landmarks = LandmarksConfig(path="photos", template="template.yaml", min_extent_px=10)
    _, rows, rejected = studio.prepare(tmp_path, "landmarks", landmarks=landmarks)
    assert rejected == {"unmarked.png": "no_landmarks", "notes.txt": "suffix"}
    assert len(rows) == studio.num


def test_mistakes_in_the_files_are_errors_that_name_them(studio, tmp_path):
    write_landmarks(studio, tmp_path, "elsewhere/")
    landmarks = LandmarksConfig(path="photos", template="template.yaml")
    cfg = PrepareConfig(source="landmarks", landmarks=landmarks)
    with pytest.raises(ValueError, match=r"landmarks.csv must name images of .*elsewhere/00.png"):
        check(cfg, tmp_path)
    table = tmp_path / "data/raw/landmarks.csv"
    table.write_text(table.read_text().replace("elsewhere/", ""))
    (tmp_path / "data/raw/template.yaml").write_text("points: {nose: [0, 0")
    with pytest.raises(ValueError, match=r"landmarks.template must be YAML, .*template.yaml"):
        check(cfg, tmp_path)
