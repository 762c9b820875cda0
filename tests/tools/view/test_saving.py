import io
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tools.cli import main
from tools.view.drawing import draw
from tools.view.saving import SAVES, make_file
from tools.view.settings import ViewSettings
from tools.view.snapshots import Collection

SETTINGS = ViewSettings(
    seed=5, seed_to=8, blend=0.3, latent_x=0.7, mix_to=2, panel="both", yaw_rad=-0.2345,
    distance=1.2, shift=(0.05, 0.0, -0.1), fov_deg=15.5, conditioning="view", resolution=48,
    samples_per_ray=12, background="white",
)  # fmt: skip


@pytest.mark.parametrize("panel", ["both", "epi", "normals"])
def test_the_command_draws_the_same_picture(collection, tmp_path, monkeypatch, panel):
    names = ("runs/first", "runs/second")
    settings = SETTINGS.model_copy(update={"panel": panel})
    subjects = tuple(map(collection.subject, names))
    paths = [collection.entry(name).path for name in names]
    words = shlex.split(settings.render_command(*paths))
    monkeypatch.chdir(tmp_path)
    assert main([*words[1:], "--renderer", "torch"]) == 0
    with Image.open(tmp_path / "view.png") as image:
        written = np.asarray(image)
    assert (written == draw(subjects, settings, 48).pixels).all()
    name, content = make_file("PNG", subjects, settings)
    assert name == "seed0005.png"
    with Image.open(io.BytesIO(content)) as image:
        assert (np.asarray(image) == written).all()


def test_the_command_says_what_is_wrong(collection, tmp_path, capsys):
    path = str(collection.entry("runs/first").path)
    out = str(tmp_path / "view.png")
    assert main(["render", "picture", path, out, "--settings", "image=3"]) == 1
    assert "need the dataset" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "needs"),
    [("mesh GLB", "trimesh"), ("splats PLY", "numba"), ("orbit MP4", "imageio_ffmpeg")],
)
def test_files_are_those_that_their_names_say(kind, needs):
    pytest.importorskip(needs)
    examples = Path(__file__).parents[3] / "examples"
    subject = Collection([examples], torch.device("cpu")).subject("")
    name, content = make_file(kind, (subject,), ViewSettings(resolution=16))
    assert name == f"seed0000.{kind.split()[1].lower()}"
    if kind == "mesh GLB":
        import trimesh

        mesh = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh")
        assert len(mesh.faces) > 1000
    assert {"glb": b"glTF", "ply": b"ply\n", "mp4": b"ftyp"}[name[-3:]] in content[:12]


def test_every_button_that_saves_has_a_function():
    from tools.view.controls import BUTTONS

    shown = {label for row in BUTTONS["Save"] for label in row}
    assert shown == {*SAVES, "link and command"}
