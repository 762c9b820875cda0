"""The benchmark of a GPU runs from end to end, on a CPU with tiny networks."""

import json

import pytest
import torch
from PIL import Image

from benchmarks import gpu
from benchmarks.training_setup import TINY

CPU = torch.device("cpu")


@pytest.mark.slow
def test_every_part_is_measured(tmp_path, monkeypatch):
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    command = ["gpu", "--device", "cpu", "--tiny", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    gpu.main()
    report = json.loads((tmp_path / "gpu.json").read_text())
    values = {(r["name"], r["renderer"]): r["value"] for r in report["results"]}
    assert not any(r["error"] for r in report["results"])
    for renderer in ("torch", "fused"):
        assert values["resumed training, values that differ", renderer] == 0
        for name in ("direct view of 16 px", "pretrain, batch 4", "evaluation, 3d branch"):
            assert values[name, renderer] > 0
    assert values["difference from torch, values", "fused"] < 1e-5
    assert values["difference from torch, gradients of planes", "fused"] < 1e-4
    picture = Image.open(tmp_path / "grid.png")
    assert picture.width > picture.height > TINY.generator.image_resolution


def test_a_broken_part_costs_no_other(tmp_path, monkeypatch):
    def work(*_):
        raise RuntimeError("no memory")

    def parts(*_):
        return iter([("one", "torch", work), ("two", "torch", lambda: [("two", 1.0, "s", "")])])

    monkeypatch.setattr(gpu, "measurements", parts)
    results = gpu.run(gpu.SMALL, CPU, tmp_path)
    assert [r.error for r in results][-2:] == ["RuntimeError: no memory", ""]
