import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, load_snapshot, save_snapshot
from tools.render import main, parse_seeds
from tools.render_commands import draw_styles


@pytest.fixture
def snapshot(tiny_config, tmp_path):
    cfg = tiny_config.model_copy(update={"detail": True})
    meta = SnapshotMeta(
        stage="imitate", nimg=4, dataset_fingerprint="", average_label=(0.0,) * 25, scene=Scene(),
        generator=cfg, discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    save_snapshot(tmp_path / "snapshot", meta, {"G_ema": Generator(cfg, Scene())})
    return tmp_path / "snapshot"


def render(command, snapshot, out, *options):
    return main([command, str(snapshot), str(out), *options])


def size(path):
    with Image.open(path) as image:
        return image.size


def test_a_grid_shows_all_panels_of_every_seed(snapshot, tmp_path, capsys):
    out = tmp_path / "grid.png"
    assert render("grid", snapshot, out, "--seeds", "0-3,9", "--columns", "2") == 0
    assert size(out) == (2 * 4 * 16, 3 * 16)
    assert capsys.readouterr().out == f"5 objects: {out}\n"
    options = ("--seeds", "0", "--branch", "3d", "--no-geometry", "--columns", "1")
    assert render("grid", snapshot, out, *options, "--resolution", "24") == 0
    assert size(out) == (24, 24)


def test_views_have_a_row_per_object(snapshot, tmp_path):
    out = tmp_path / "views.png"
    options = ("--seeds", "0-1", "--branch", "both", "--views", "3")
    assert render("views", snapshot, out, *options) == 0
    assert size(out) == (2 * 3 * 16, 2 * 16)


def test_an_object_is_the_same_in_any_company(snapshot, tmp_path):
    for name, seeds in (("a", "3"), ("b", "2-3")):
        assert render("views", snapshot, tmp_path / f"{name}.png", "--seeds", seeds) == 0
    with Image.open(tmp_path / "a.png") as one, Image.open(tmp_path / "b.png") as two:
        assert np.abs(np.asarray(one).astype(int) - np.asarray(two)[16:]).max() <= 1


@pytest.mark.parametrize("command", ["orbit", "interpolate"])
def test_videos_are_the_same_every_time(snapshot, tmp_path, command):
    pytest.importorskip("imageio_ffmpeg")
    contents = []
    for name in ("a.mp4", "b.mp4"):
        assert render(command, snapshot, tmp_path / name, "--seeds", "0-1", "--frames", "3") == 0
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_the_epipolar_image_has_a_line_per_view_and_branch(snapshot, tmp_path):
    options = ("--views", "5", "--seeds", "0-1")
    assert render("epi", snapshot, tmp_path / "epi.png", *options) == 0
    assert size(tmp_path / "epi.png") == (512, 32 * (2 * 2 * 5 + 3))


def test_meshes_are_written_per_seed(snapshot, tmp_path, capsys):
    pytest.importorskip("skimage")
    trimesh = pytest.importorskip("trimesh")
    options = ("--seeds", "0,5", "--resolution", "12", "--density", "0.3")
    assert render("mesh", snapshot, tmp_path / "meshes", *options) == 0
    names = {path.name for path in (tmp_path / "meshes").iterdir()}
    assert names == {"seed0000.ply", "seed0000.glb", "seed0005.ply", "seed0005.glb"}
    assert trimesh.load(tmp_path / "meshes" / "seed0005.ply").is_watertight
    assert render("mesh", snapshot, tmp_path / "none", "--density", "1e9") == 1
    assert "lower it (--density" in capsys.readouterr().err
    assert render("mesh", snapshot, tmp_path / "none", "--resolution", "8") == 1
    assert "no ray loses half of its light" in capsys.readouterr().err  # of a fresh generator
    assert not (tmp_path / "none").exists()


def test_a_mesh_gets_a_texture(snapshot, tmp_path, capsys):
    pytest.importorskip("skimage")
    pytest.importorskip("xatlas")
    trimesh = pytest.importorskip("trimesh")
    options = ("--seeds", "1", "--resolution", "12", "--density", "0.3", "--texture", "32")
    assert render("mesh", snapshot, tmp_path / "meshes", *options) == 0
    (opened,) = trimesh.load(tmp_path / "meshes" / "seed0001.glb").geometry.values()
    assert opened.visual.material.baseColorTexture.size == (32, 32)
    assert trimesh.load(tmp_path / "meshes" / "seed0001.ply").visual.kind == "vertex"


def test_splats_are_written_per_seed_with_their_quality(snapshot, tmp_path, capsys):
    pytest.importorskip("numba")
    options = ("--seeds", "0,5", "--resolution", "16", "--max-splats", "90", "--yaw", "0.2")
    options += ("--spacing", "1", "--refine", "2")
    assert render("splats", snapshot, tmp_path / "splats", *options) == 0
    names = {path.name for path in (tmp_path / "splats").iterdir()}
    assert names == {"seed0000.ply", "seed0000.glb", "seed0005.ply", "seed0005.glb"}
    told = capsys.readouterr().out
    assert re.search(r"seed 5: 90 splats, [\d.]+ dB .* 8 cameras held back, yaw to 0\.20", told)


def test_samples_per_ray_are_changed(snapshot, tmp_path):
    for name, samples in (("own", "12"), ("many", "64")):
        options = ("--seeds", "0", "--samples-per-ray", samples)
        assert render("views", snapshot, tmp_path / f"{name}.png", *options) == 0
    assert render("views", snapshot, tmp_path / "absent.png", "--seeds", "0") == 0
    own, many, absent = (
        (tmp_path / f"{name}.png").read_bytes() for name in ("own", "many", "absent")
    )
    assert own == absent != many


@pytest.mark.parametrize(
    ("options", "suffix", "message"),
    [
        (("views", "--samples-per-ray", "4"), "png", "--samples-per-ray must be at least 8, is 4"),
        (("interpolate", "--seeds", "1"), "mp4", "--seeds must name at least 2 objects, names 1"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(
    snapshot, tmp_path, capsys, options, suffix, message
):
    command, *rest = options
    assert render(command, snapshot, tmp_path / f"out.{suffix}", *rest) == 1
    assert capsys.readouterr().err == message + "\n"


@pytest.mark.parametrize("seeds", ["", "x", "3-", "1-2-3", "5-4"])
def test_seeds_that_are_none_are_refused(snapshot, tmp_path, capsys, seeds):
    with pytest.raises(SystemExit):
        render("grid", snapshot, tmp_path / "a.png", f"--seeds={seeds}")
    assert "seeds must be like 7, 0-15 or 0,4,8-11" in capsys.readouterr().err


def test_seeds_are_numbers_ranges_and_lists():
    assert parse_seeds("7") == (7,)
    assert parse_seeds("0-2,9,4-5") == (0, 1, 2, 9, 4, 5)


def test_missing_snapshots_and_libraries_are_told(snapshot, tmp_path, capsys, monkeypatch):
    assert render("grid", tmp_path / "none", tmp_path / "a.png") == 1
    assert "snapshot.json" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert render("orbit", snapshot, tmp_path / "a.mp4") == 1
    assert "[export]" in capsys.readouterr().err


def test_psi_0_is_the_average_object(snapshot):
    from argparse import Namespace

    G = load_snapshot(snapshot)
    with torch.inference_mode():
        ws = draw_styles(G, Namespace(seeds=(0, 1), psi=0.0))
    assert torch.equal(ws[0], ws[1])
