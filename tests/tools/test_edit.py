import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene
from mimic3d.inversion.style_files import W_FILE, W_PLUS_FILE, save_style
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, save_snapshot
from tools.edit import main, parse_layers

CAPTION = 18
SIDE = 96  # small images are enlarged


@pytest.fixture
def snapshot(tiny_config, tmp_path, monkeypatch):
    cfg = tiny_config.model_copy(update={"detail": True})
    meta = SnapshotMeta(
        stage="imitate", nimg=4, dataset_fingerprint="", average_label=(0.0,) * 25, scene=Scene(),
        generator=cfg, discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    G = Generator(cfg, Scene())
    save_snapshot(tmp_path / "snapshot", meta, {"G_ema": G})
    monkeypatch.setattr("tools.outputs.RECORDS", tmp_path / "records")
    return tmp_path / "snapshot"


def edit(kind, snapshot, out, *options):
    return main([kind, str(snapshot), str(out), *map(str, options)])


def cells(path, columns):
    """Pictures of each row as arrays, without the lines of text."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rows = pixels.shape[0] // (CAPTION + SIDE)
    assert pixels.shape == (rows * (CAPTION + SIDE), columns * SIDE, 3)
    starts = [row * (CAPTION + SIDE) + CAPTION for row in range(rows)]
    strips = [pixels[start : start + SIDE] for start in starts]
    return [np.split(strip, columns, axis=1) for strip in strips]


@pytest.mark.parametrize("method", ["principal", "factorized"])
def test_rows_of_directions_share_their_middle_picture(snapshot, tmp_path, method):
    out = tmp_path / "a.png"
    options = ("4", "--method", method, "--directions", "0-1,5", "--columns", "3")
    assert edit("directions", snapshot, out, *options) == 0
    first, second, third = cells(out, 3)
    assert (first[1] == second[1]).all()
    assert (first[1] == third[1]).all()
    assert not (first[0] == first[2]).all()


def test_layers_that_do_not_move_leave_the_picture(snapshot, tmp_path):
    out, options = tmp_path / "a.png", ("4", "--columns", "2", "--directions", "0", "--strength")
    assert edit("directions", snapshot, out, *options, "0") == 0
    still = cells(out, 2)[0]
    assert (still[0] == still[1]).all()
    assert edit("directions", snapshot, out, *options, "9", "--layers", "0") == 0
    part = cells(out, 2)[0]
    assert edit("directions", snapshot, out, *options, "9") == 0
    assert not (cells(out, 2)[0][0] == part[0]).all()


def test_a_transfer_begins_at_one_object_and_ends_at_the_other(snapshot, tmp_path):
    assert edit("transfer", snapshot, tmp_path / "a.png", "0", "1") == 0
    assert edit("interpolate", snapshot, tmp_path / "b.png", "0", "1", "--columns", "2") == 0
    coarse, fine = cells(tmp_path / "a.png", 5)  # four style vectors
    (ends,) = cells(tmp_path / "b.png", 2)
    for row in (coarse, fine):
        assert np.abs(row[0] - ends[0]).max() <= 1
        assert np.abs(row[-1] - ends[1]).max() <= 1


def test_styles_of_files_are_used_and_w_plus_comes_first(snapshot, tmp_path):
    w, w_plus = torch.randn(8), torch.randn(4, 8)
    folder = tmp_path / "inverted"
    save_style(folder / W_FILE, w)
    out, options = tmp_path / "a.png", ("--columns", "2")
    assert edit("interpolate", snapshot, out, folder, folder / W_FILE, *options) == 0
    (same,) = cells(out, 2)
    assert np.abs(same[0] - same[1]).max() <= 1
    save_style(folder / W_PLUS_FILE, w_plus)
    assert edit("interpolate", snapshot, out, folder, folder / W_PLUS_FILE, *options) == 0
    (same,) = cells(out, 2)
    assert np.abs(same[0] - same[1]).max() <= 1
    assert edit("interpolate", snapshot, out, folder, folder / W_FILE, *options) == 0
    (other,) = cells(out, 2)
    assert np.abs(other[0] - other[1]).max() > 1


def test_every_yaw_has_a_row(snapshot, tmp_path):
    options = ("0", "1", "--columns", "2", "--yaw", "-0.3", "0", "0.3", "--resolution", "16")
    assert edit("interpolate", snapshot, tmp_path / "a.png", *options) == 0
    assert len(cells(tmp_path / "a.png", 2)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("directions", "0", "--layers", "2-9"), "--layers must end at 3 at most, end at 9"),
        (("directions", "0", "--directions", "8"), "--directions must be below 8, are up to 8"),
        (("interpolate", "0", "nowhere"), "a style must be a readable .safetensors file, nowhere"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(
    snapshot, tmp_path, capsys, options, message
):
    kind, *rest = options
    assert edit(kind, snapshot, tmp_path / "a.png", *rest) == 1
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "a.png").exists()
    assert edit(kind, snapshot, tmp_path / "a.jpg", *rest) == 1
    assert "writes a file .png" in capsys.readouterr().err


def test_layers_are_numbers_and_ranges():
    assert (parse_layers("3"), parse_layers("0-3")) == (range(3, 4), range(4))
    for text in ("", "3-1", "a", "1-2-3"):
        with pytest.raises(Exception, match="layers must be like 3 or 0-3"):
            parse_layers(text)
