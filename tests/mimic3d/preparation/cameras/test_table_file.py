import io
import json

import numpy as np
import pandas as pd
import pytest

from mimic3d.preparation.cameras.table_file import read_camera_file

POSE = np.diag([1.0, -1, -1, 1])
POSE[2, 3] = 2.7
LENS = [4.0, 0, 0.5, 0, 4.0, 0.5, 0, 0, 1]
CROP = [1.0, 2, 9, 2, 9, 10, 1, 10]


def columns(pose=POSE):
    return {f"m{row}{column}": pose[row, column] for row in range(4) for column in range(4)}


def csv(rows):
    return pd.DataFrame(rows).to_csv(index=False).encode()


def parquet(rows):
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer)
    return buffer.getvalue()


def test_a_csv_in_pixels_and_one_in_shares_are_the_same():
    pixels = {"image": "a.png", **columns(), "fx": 400, "fy": 400, "cx": 50, "cy": 30}
    shares = {"image": "a.png", **columns(), "fx": 4, "fy": 8, "cx": 0.5, "cy": 0.6}
    one = read_camera_file(csv([pixels | {"width": 100, "height": 50}]), "a.csv")
    other = read_camera_file(csv([shares]), "a.csv")
    np.testing.assert_allclose(one.intrinsics, other.intrinsics)
    np.testing.assert_allclose(one.cam2world, POSE[None])
    assert one.sizes.tolist() == [[100, 50]]
    assert other.sizes.tolist() == [[0, 0]]
    assert np.isnan(one.crops).all()


@pytest.mark.parametrize(("suffix", "write"), [("parquet", parquet), ("json", json.dumps)])
def test_lists_of_numbers_are_read_from_parquet_and_json(suffix, write):
    row = {"image": "./b.png", "cam2world": POSE.ravel().tolist(), "intrinsics": LENS}
    row |= {"crop": CROP, "confidence": 0.7, "reproj_px": 1.5, "identity": "anna"}
    data = write([row])
    table = read_camera_file(data if isinstance(data, bytes) else data.encode(), f"a.{suffix}")
    assert table.images == ("b.png",)
    np.testing.assert_allclose(table.cam2world, POSE[None])
    np.testing.assert_allclose(table.intrinsics.ravel(), LENS)
    assert table.crops.tolist() == [CROP]
    assert (table.confidence[0], table.reproj_px[0], table.identities) == (0.7, 1.5, ("anna",))


def test_coefficients_of_deep3d_become_labels_of_eg3d():
    rows = [{"image": "a.png", "angle": [0.0, 0.3, 0.0], "trans": [0.0, 0.0, 0.0]}]
    listed = read_camera_file(json.dumps(rows).encode(), "a.json")
    flat = {"image": "a.png", "angle0": 0, "angle1": 0.3, "angle2": 0}
    table = read_camera_file(csv([flat | {"trans0": 0, "trans1": 0, "trans2": 0}]), "a.csv")
    np.testing.assert_allclose(table.cam2world, listed.cam2world)
    x, _, z = table.cam2world[0, :3, 3]
    assert np.degrees(np.arctan2(x, z)) == pytest.approx(-16.23, abs=0.005)
    assert table.intrinsics[0, 0, 0] == pytest.approx(4.2647)


def test_nan_is_a_number_that_a_gate_rejects():
    row = {"image": "a.png", **columns(), "fx": 4, "fy": 4, "cx": 0.5, "cy": "NaN"}
    assert np.isnan(read_camera_file(csv([row]), "a.csv").intrinsics[0, 1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": None}, "must have rows and a column image"),
        ({"m00": None}, "must have columns m00 .. m33 or cam2world"),
        ({"fx": None}, "must have fx, fy, cx, cy or intrinsics"),
        ({"fy": "wide"}, "fy of a.png must be a number, is 'wide'"),
        ({"m12": ""}, "m12 of a.png must be a number, is ''"),
    ],
)
def test_mistakes_are_errors_that_name_file_and_row(change, message):
    row = {"image": "a.png", **columns(), "fx": 4, "fy": 4, "cx": 0.5, "cy": 0.5} | change
    data = csv([{name: value for name, value in row.items() if value is not None}])
    with pytest.raises(ValueError, match=message) as error:
        read_camera_file(data, "poses.csv")
    assert "poses.csv" in str(error.value)


def test_other_mistakes_are_errors_too():
    row = {"image": "a.png", "cam2world": [1.0, 2.0], "intrinsics": LENS}
    with pytest.raises(ValueError, match=r"cam2world of a.png must be 16 numbers"):
        read_camera_file(json.dumps([row]).encode(), "a.json")
    good = {"image": "a.png", "cam2world": POSE.ravel().tolist(), "intrinsics": LENS}
    with pytest.raises(ValueError, match=r"one row per image, a.png is again"):
        read_camera_file(json.dumps([good, good]).encode(), "a.json")
    for data, name in ((b"", "a.csv"), (b"x", "a.parquet"), (b"{}", "a.json"), (b"x", "a.txt")):
        with pytest.raises(ValueError, match=f"{name} must be"):
            read_camera_file(data, name)
