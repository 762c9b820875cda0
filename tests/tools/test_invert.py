"""`mimic3d invert`: inputs, sentences about wrong ones, files, and that a second call is free."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.inversion.inversion import InversionConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, load_snapshot, save_snapshot
from tools import invert, invert_inputs
from tools.config_options import parse_config
from tools.invert import main
from tools.invert_inputs import ModelCameras, NamedTarget, read_inputs
from tools.invert_results import NAMES, check_result

SHORT = [
    *("--set", "w.num_steps=2", "--set", "w_plus.num_steps=2", "--set", "tuning.num_steps=2"),
    *("--set", "tuning.num_others=2", "--set", "distribution.num_samples=50"),
    *("--renderer", "torch"),  # kernels take a minute to compile
]


@pytest.fixture(autouse=True)
def _own_records(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.outputs.RECORDS", tmp_path / "records")


def meta(generator_config, discriminator_config, scene: Scene) -> SnapshotMeta:
    frontal = orbit_cameras(torch.zeros(1), torch.zeros(1), scene).labels()[0]
    return SnapshotMeta(
        stage="imitate", nimg=0, dataset_fingerprint="none", average_label=tuple(frontal.tolist()),
        scene=scene, generator=generator_config, discriminator=discriminator_config,
    )  # fmt: skip


@pytest.fixture
def snapshot(tiny_config, tmp_path) -> Path:
    cfg = tiny_config.model_copy(update={"detail": True, "image_resolution": 32})
    description = meta(cfg, {"channel_base": 64, "channel_max": 8}, Scene())
    save_snapshot(tmp_path / "snapshot", description, {"G_ema": Generator(cfg, Scene())})
    return tmp_path / "snapshot"


def model(scene: Scene | None = None) -> ModelCameras:
    scene = scene or Scene()
    frontal = orbit_cameras(torch.zeros(1), torch.zeros(1), scene).labels()[0]
    return ModelCameras(scene, tuple(frontal.tolist()), 32)


def picture(path: Path, side: int = 128) -> Path:
    rng = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def posed_photo(monkeypatch):
    """Photos whose faces need not be found: the whole picture is the crop, seen from the front."""

    def read(folder: Path, name: str, cameras: ModelCameras) -> NamedTarget:
        pixels = Image.open(folder / name).convert("RGB").resize((cameras.resolution,) * 2)
        image = torch.from_numpy(np.asarray(pixels).copy()).permute(2, 0, 1)[None] / 127.5 - 1
        view = orbit_cameras(torch.zeros(1), torch.zeros(1), cameras.scene)
        return invert_inputs._named(Path(name).stem, image.float(), view, cameras)

    monkeypatch.setattr(invert_inputs, "_read_photo", read)


@pytest.mark.slow
def test_results_are_complete_a_snapshot_and_not_made_twice(
    snapshot, tmp_path, posed_photo, capsys, monkeypatch
):
    monkeypatch.setattr("tools.invert.SAVE_SECONDS", 0.0)  # a state after each step
    photo, out = picture(tmp_path / "me.png"), tmp_path / "out"
    assert main([str(snapshot), str(photo), "--out", str(out), *SHORT]) == 0, capsys.readouterr()
    folder = out / "me"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == sorted(
        NAMES
    )
    assert [path.name for path in out.iterdir()] == ["me"]
    report = json.loads((folder / "report.json").read_text())
    assert report["steps"] == {"w": 2, "w_plus": 2, "tuned": 2}
    assert report["scores"]["tuned"]["identity_cos"] is None
    assert "not measured" in (folder / "report.html").read_text()
    tuned = load_snapshot(folder / "snapshot")
    label = orbit_cameras(torch.zeros(1), torch.zeros(1), tuned.scene).labels()
    shown = tuned.mapping(torch.randn(1, tuned.config.z_dim), label, 0.0)
    assert shown[0, 0].equal(tuned.mapping.w_avg)
    capsys.readouterr()
    before = (folder / "orbit.mp4").stat().st_mtime_ns
    assert main([str(snapshot), str(photo), "--out", str(out), *SHORT]) == 0
    assert "is there already" in capsys.readouterr().out
    assert (folder / "orbit.mp4").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_killed_command_goes_on_and_ends_with_the_same_styles(
    snapshot, tmp_path, posed_photo, capsys, monkeypatch
):
    photo = str(picture(tmp_path / "me.png"))
    whole = [str(snapshot), photo, "--out", str(tmp_path / "whole"), *SHORT]
    assert main(whole) == 0
    monkeypatch.setattr("tools.invert.SAVE_SECONDS", 0.0)
    saved = []

    def save_then_die(inversion, partial, seconds):
        save(inversion, partial, seconds)
        saved.append(inversion.newest)
        if len(saved) == 3:
            raise KeyboardInterrupt

    save = invert._save
    monkeypatch.setattr(invert, "_save", save_then_die)
    killed = [str(snapshot), photo, "--out", str(tmp_path / "killed"), *SHORT]
    with pytest.raises(KeyboardInterrupt):
        main(killed)
    assert not (tmp_path / "killed" / "me").exists()
    assert main(killed) == 0
    assert "goes on after" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["me"]
    for name in ("w.safetensors", "w_plus.safetensors", "snapshot/G_ema.safetensors"):
        ours, theirs = (tmp_path / place / "me" / name for place in ("killed", "whole"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_what_the_command_did_not_write_is_not_replaced(tmp_path):
    for name in ("notes.txt", "snapshot/notes.txt", "snapshot"):
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("mine")
        with pytest.raises(ValueError, match="replaces only what it wrote itself"):
            check_result(folder)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("tuning.num_steps=0", "tuning.num_steps"),
        ("tuning.nothing=1", "tuning.nothing"),
        ("tuning=1", "must name one parameter"),
        ("w.lr", "must be KEY=VALUE"),
        ("w.lr.x=1", "must name one parameter"),
    ],
)
def test_a_wrong_setting_is_refused(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_config(InversionConfig, [setting], 0)


def test_a_snapshot_without_a_3d_branch_is_refused(tiny_config, tmp_path, capsys):
    description = meta(tiny_config, {"channel_base": 64, "channel_max": 8}, Scene())
    save_snapshot(tmp_path / "coarse", description, {"G_ema": Generator(tiny_config, Scene())})
    photo = picture(tmp_path / "me.png")
    assert main([str(tmp_path / "coarse"), str(photo), "--out", str(tmp_path / "out")]) == 1
    assert "through the 3D branch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match=r"--set seed: .*greater than or equal to 0, is -1"):
        parse_config(InversionConfig, [], -1)


def test_settings_reach_the_config():
    cfg = parse_config(InversionConfig, ["camera.interval=0", "w.lr=0.2"], 7)
    assert (cfg.camera.interval, cfg.w.lr, cfg.seed) == (0, 0.2, 7)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        read_inputs([str(tmp_path / "nobody.jpg")], model(), False)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds none"):
        read_inputs([str(tmp_path)], model(), False)


def test_a_file_that_is_no_image_is_refused(tmp_path):
    (tmp_path / "me.txt").write_text("text")
    with pytest.raises(ValueError, match="no suffix of an image"):
        read_inputs([str(tmp_path / "me.txt")], model(), False)


def test_a_damaged_photo_is_refused(tmp_path):
    (tmp_path / "me.jpg").write_bytes(b"\xff\xd8broken")
    with pytest.raises(ValueError, match=r"me\.jpg cannot be inverted: the file cannot be decoded"):
        read_inputs([str(tmp_path / "me.jpg")], model(), False)


def test_a_photo_too_small_is_refused(tmp_path):
    photo = picture(tmp_path / "me.png", side=20)
    with pytest.raises(ValueError, match="the shorter side has 20 px, 32 are needed"):
        read_inputs([str(photo)], model(), False)


def test_photos_do_not_fit_a_snapshot_of_another_scene(tmp_path):
    photo = picture(tmp_path / "me.png")
    with pytest.raises(ValueError, match="it shows other things"):
        read_inputs([str(photo)], model(Scene(focal=1.2)), False)


def test_a_camera_far_aside_is_said(tmp_path):
    scene = Scene()
    view = orbit_cameras(torch.tensor([1.2]), torch.zeros(1), scene)
    named = invert_inputs._named("me", torch.zeros(1, 3, 32, 32), view, model(scene))
    assert "me is seen from 69 degrees aside" in named.notes[0]


def test_two_photos_of_one_name_are_refused_but_one_person_may_have_them(tmp_path, posed_photo):
    photos = [str(picture(tmp_path / folder / "me.png")) for folder in ("a", "b")]
    with pytest.raises(ValueError, match="several are called me"):
        read_inputs(photos, model(), False)
    joined, refused = read_inputs(photos, model(), True)
    assert len(joined) == 1
    assert len(joined[0].target) == 2
    assert refused == []


def test_a_folder_is_a_result_each(tmp_path, posed_photo):
    for name in ("a.png", "b.png"):
        picture(tmp_path / "photos" / name)
    targets, _ = read_inputs([str(tmp_path / "photos")], model(), False)
    assert [each.name for each in targets] == ["a", "b"]


def test_a_folder_that_is_no_dataset_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no prepared dataset"):
        read_inputs([f"{tmp_path}:3"], model(), False)
