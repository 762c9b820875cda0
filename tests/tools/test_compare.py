import json

import pandas as pd
import pytest

from mimic3d.metrics.kernel import KernelConfig
from mimic3d.metrics.neighbours import NeighboursConfig
from mimic3d.metrics.protocol import Protocol, protocol_hash
from tools.compare import compare_evaluations, main

RECORD = Protocol(
    branch="3d", feature_network="random_conv-v1-d256", feature_resize="none",
    dataset_fingerprint="f" * 64, split="train", reference="8 of them, drawn with seed 0",
    mirrored=True, num_real=8, num_fake=8, conditioning_camera="rendering camera",
    rendering_camera="drawn from the dataset's labels", truncation_psi=1.0, resolution=16,
    resize="none", samples_per_ray=12, seeds=(0, 7), kernel=KernelConfig(),
    neighbours=NeighboursConfig(), patches=None,
)  # fmt: skip


def write_evaluation(folder, value, record, name="3d/fd_random_conv"):
    folder.mkdir()
    digest = protocol_hash(record)
    described = record.model_dump(mode="json") | {"hash": digest}
    (folder / "protocol.json").write_text(json.dumps({"3d/random_conv": described}))
    row = {"name": name, "value": value, "low": None, "high": None, "protocol": digest}
    pd.DataFrame([row]).to_csv(folder / "table.csv", index=False)
    return folder


def test_numbers_measured_alike_stand_side_by_side(tmp_path, capsys):
    folders = [write_evaluation(tmp_path / name, value, RECORD) for name, value in ("a1", "b2")]
    assert main([*map(str, folders), "--out", str(tmp_path / "table.md")]) == 0
    printed = capsys.readouterr().out
    assert "| 3d/fd_random_conv | 1 | 2 |" in printed
    assert (tmp_path / "table.md").read_text() == printed


@pytest.mark.parametrize("change", [
    {"conditioning_camera": "average of the training set"}, {"num_fake": 9},
    {"dataset_fingerprint": "0" * 64}, {"truncation_psi": 0.7},
])  # fmt: skip
def test_numbers_measured_differently_are_refused(tmp_path, capsys, change):
    one = write_evaluation(tmp_path / "one", 1.0, RECORD)
    other = write_evaluation(tmp_path / "other", 1.0, RECORD.model_copy(update=change))
    assert main([str(one), str(other)]) == 1
    said = capsys.readouterr().err
    ((field, value),) = change.items()
    assert field in said
    assert str(value) in said


def test_a_folder_without_an_evaluation_is_named(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert "reports/evaluate" in capsys.readouterr().err


def test_there_must_be_a_number_to_compare(tmp_path):
    one = write_evaluation(tmp_path / "one", 1.0, RECORD)
    other = write_evaluation(tmp_path / "other", 1.0, RECORD, "3d/kd_random_conv")
    with pytest.raises(ValueError, match="no number"):
        compare_evaluations([one, other], "3d/")
