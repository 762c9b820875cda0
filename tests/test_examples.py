"""Generators that come with the project draw what its pages show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mimic3d.networks.snapshot import load_meta
from tools.preset import resolve
from tools.render import main

ROOT = Path(__file__).parents[1]
COMMAND = ["views", "examples/heads64", "--seeds", "0,2,4-7", "--psi", "0.8", "--views", "3"]
"""Command of docs/heads64.png."""


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, snapshot, *options = COMMAND
    out = tmp_path / "views.png"
    options += ["--branch", "both", "--geometry", "--renderer", "torch"]
    assert main([command, snapshot, str(out), *options]) == 0
    return np.asarray(Image.open(out), dtype=np.int16)


def test_the_page_shows_what_the_snapshot_draws(picture):
    shown = np.asarray(Image.open(ROOT / "docs/heads64.png"), dtype=np.int16)
    assert picture.shape == shown.shape
    difference = np.abs(picture - shown)
    assert difference.mean() < 0.1  # levels of 255; other machines round otherwise
    assert (difference > 8).mean() < 0.001


def test_a_snapshot_is_what_its_parameters_ask_for():
    cfg = resolve((ROOT / "examples/heads64/params.yaml").read_text())
    meta = load_meta(ROOT / "examples/heads64")
    expected = cfg["pretrain"].generator.model_copy(update={"detail": True})
    assert meta.generator == expected
    assert meta.nimg == cfg["imitate"].loop.total_nimg
