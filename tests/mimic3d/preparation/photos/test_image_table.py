import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mimic3d.preparation.photos.container import Folder, open_container
from mimic3d.preparation.photos.image_table import ImageTable
from mimic3d.preparation.photos.photo import NoPhoto


@pytest.fixture
def pictures(photo_tools):
    encode, textured, _ = photo_tools
    return [encode(textured(seed=seed)) for seed in range(40)]


def image_dataset(pictures, **columns):
    rows = {"photo": [{"bytes": data, "path": None} for data in pictures], **columns}
    features = {name: datasets.Value("string") for name in columns}
    return datasets.Dataset.from_dict(
        rows, features=datasets.Features({"photo": datasets.Image(), **features})
    )


def test_a_saved_dataset_is_read_by_number(tmp_path, pictures):
    image_dataset(pictures).save_to_disk(str(tmp_path / "saved"))
    table = open_container(tmp_path / "saved", "photo")
    assert isinstance(table, ImageTable)
    assert table.names[:2] == ["0000000", "0000001"]
    assert [table.read(name, 1e6) for name in table.names] == pictures


def test_splits_and_names_of_rows_become_names(tmp_path, pictures):
    one = image_dataset(pictures[:2])
    datasets.DatasetDict({"train": one, "test": image_dataset(pictures[2:3])}).save_to_disk(
        str(tmp_path / "splits")
    )
    assert open_container(tmp_path / "splits", "photo").names == [
        "test/0000000", "train/0000000", "train/0000001",
    ]  # fmt: skip
    named = image_dataset(pictures[:3], image_id=["b", "a", "a"])
    named.save_to_disk(str(tmp_path / "named"))
    table = open_container(tmp_path / "named", "photo")
    assert table.names == ["b"]
    assert [(item.image_id, item.reject.gate) for item in table.rejected] == [
        ("a", "duplicate_name")
    ]


def test_images_kept_as_files_are_embedded_when_saved(tmp_path, pictures):
    (tmp_path / "files").mkdir()
    for number, data in enumerate(pictures[:3]):
        (tmp_path / "files" / f"{number}.png").write_bytes(data)
    found = datasets.load_dataset(
        "imagefolder",
        data_dir=str(tmp_path / "files"),
        cache_dir=str(tmp_path / "hf"),
        split="train",
    )
    found.save_to_disk(str(tmp_path / "saved"))
    table = open_container(tmp_path / "saved")
    assert sorted(table.read(name, 1e6) for name in table.names) == sorted(pictures[:3])


@pytest.mark.parametrize("order", [range(40), [7, 8, 30, 2, 39, 0]])
def test_parquet_is_read_in_any_order(tmp_path, pictures, order):
    image_dataset(pictures).to_parquet(str(tmp_path / "a.parquet"), batch_size=15)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups > 1
    for path in (tmp_path, tmp_path / "a.parquet"):
        table = open_container(path, "photo")
        assert [table.read(f"{row:07d}", 1e6) for row in order] == [pictures[row] for row in order]


def test_columns_of_bytes_are_images_too(tmp_path, pictures):
    pq.write_table(pa.table({"image": pictures[:3]}), tmp_path / "a.parquet")
    assert open_container(tmp_path).read("0000002", 1e6) == pictures[2]


def test_rows_without_an_image_and_large_ones_are_rejected(tmp_path, pictures):
    values = pa.array([pictures[0], None], pa.binary())
    pq.write_table(pa.table({"image": values}), tmp_path / "a.parquet")
    table = open_container(tmp_path)
    for name, limit, gate in (("0000001", 1e6, "unreadable"), ("0000000", 10, "max_bytes")):
        with pytest.raises(NoPhoto) as refusal:
            table.read(name, limit)
        assert refusal.value.reject.gate == gate


def test_a_folder_of_images_with_a_table_beside_them_is_a_folder(tmp_path, pictures):
    (tmp_path / "a.png").write_bytes(pictures[0])
    pq.write_table(pa.table({"image": ["a.png"]}), tmp_path / "cameras.parquet")
    assert isinstance(open_container(tmp_path), Folder)


def test_a_missing_column_and_a_broken_file_are_errors(tmp_path, pictures):
    image_dataset(pictures[:1]).to_parquet(str(tmp_path / "a.parquet"))
    with pytest.raises(ValueError, match=r"image_column .* must be a column of .* there are photo"):
        open_container(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"b.parquet must be a Parquet file"):
        open_container(tmp_path / "b.parquet")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "dataset_info.json").write_text("{")
    with pytest.raises(ValueError, match="must be what datasets' save_to_disk wrote"):
        open_container(tmp_path / "saved")
