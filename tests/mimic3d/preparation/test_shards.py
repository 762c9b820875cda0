import hashlib

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from torch.testing import assert_close

from mimic3d.data.images import decode_png
from mimic3d.data.schema import Manifest, find_shards, load_manifest, save_manifest
from mimic3d.preparation.pose import Reject
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.shards import shard_images


def digests(folder):
    files = sorted(path for path in folder.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_hugging_face_datasets_reads_the_shards(dataset, tmp_path, make_sample):
    files = [str(path) for path in find_shards(dataset, "train")]
    cache = str(tmp_path / "hf")
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert len(rows) == 10
    row, sample = rows[4], make_sample(4)
    assert row["image"].size == (16, 16)
    assert (np.asarray(row["image"]) == decode_png(sample.image)).all()
    assert_close(np.asarray(row["cam2world"], np.float32), sample.pose.cam2world.ravel())
    assert row["image_id"] == "image-0004"
    assert row["yaw"] == pytest.approx(row["yaw_rot"], abs=1e-4)
    assert row["radius"] == pytest.approx(2.7, abs=1e-4)
    assert row["mask"] is None
    assert row["factors"] == [4.0, 0.5]


def test_rows_are_grouped_for_random_access(make_dataset, tmp_path):
    make_dataset(tmp_path / "toy", num=600, images_per_shard=512)
    first, second = find_shards(tmp_path / "toy", "train")
    assert first.name == "train-00000-of-00002.parquet"
    groups = pq.ParquetFile(first).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [256, 256]
    ids = pq.read_table([first, second], columns=["image_id"])["image_id"].to_pylist()
    assert ids == [f"image-{index:04d}" for index in range(600)]


def test_the_same_samples_give_the_same_bytes(make_dataset, tmp_path):
    make_dataset(tmp_path / "a")
    make_dataset(tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_the_fingerprint_is_of_the_content_not_of_the_layout(make_dataset, tmp_path):
    one = make_dataset(tmp_path / "one")
    many = make_dataset(tmp_path / "many", images_per_shard=3)
    backwards = make_dataset(tmp_path / "backwards", order=range(9, -1, -1))
    assert len(find_shards(tmp_path / "many", "train")) == 4
    assert one.fingerprint == many.fingerprint == backwards.fingerprint
    fewer = make_dataset(tmp_path / "fewer", num=9)
    unmirrored = make_dataset(tmp_path / "unmirrored", mirror=False)
    assert len({one.fingerprint, fewer.fingerprint, unmirrored.fingerprint}) == 3


def test_the_manifest_holds_the_average_camera_and_the_poses(dataset, make_sample):
    manifest = load_manifest(dataset)
    poses = [make_sample(index).pose for index in range(10)]
    labels = np.stack([np.concatenate([p.cam2world.ravel(), p.intrinsics.ravel()]) for p in poses])
    assert_close(
        np.asarray(manifest.average_label), labels.mean(0), atol=1e-6, rtol=0, check_dtype=False
    )
    assert_close(
        np.asarray(manifest.label_std), labels.std(0), atol=1e-6, rtol=0, check_dtype=False
    )
    yaws = 0.6 * np.sin(np.arange(10))
    assert manifest.poses["yaw_mean_rad"] == pytest.approx(yaws.mean(), abs=1e-5)
    assert manifest.poses["yaw_std_rad"] == pytest.approx(yaws.std(), abs=1e-5)
    assert manifest.poses["pitch_q50_rad"] == pytest.approx(0.1, abs=1e-5)
    assert manifest.counts == {"train": 10, "val": 0, "eval_multiview": 12}
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_rejects_are_a_table_even_when_there_are_none(tmp_path, dataset, make_sample, make_tasks):
    assert pq.read_table(dataset / "rejects.parquet").num_rows == 0
    reject = Rejected("bad", Reject("square", 1.5, 1.0), "too wide")
    make_tasks(tmp_path / "bad", [("train", make_sample(0)), ("train", reject)])
    rows = pq.read_table(tmp_path / "bad" / "rejects.parquet").to_pylist()
    reason = "its sides are as 1.5 to 1 (too wide)"
    assert rows == [
        {"image_id": "bad", "gate": "square", "value": 1.5, "threshold": 1.0, "reason": reason}
    ]


def test_a_folder_without_a_readable_manifest_is_an_error(tmp_path, dataset):
    with pytest.raises(ValueError, match="no prepared dataset"):
        load_manifest(tmp_path)
    save_manifest(dataset, load_manifest(dataset).model_copy(update={"version": 0}))
    with pytest.raises(ValueError, match="must have version 1, has 0"):
        load_manifest(dataset)
    (dataset / "manifest.json").write_text('{"version": 1}')
    with pytest.raises(ValueError, match=r"is no manifest: name"):
        load_manifest(dataset)


@pytest.mark.parametrize("resolution", [16, 64, 128, 512, 1024])
def test_a_shard_is_whole_row_groups_of_about_256_mib(resolution):
    images = shard_images(resolution)
    assert images % 256 == 0
    assert images == 256 or images * 3 * resolution**2 <= 2**28
