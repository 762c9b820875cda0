"""What a user has is never lost: every command that writes where a user says, walked."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_outputs import FIXED, NOWHERE, PLAN, STAGES, WRITERS, forms
from ruamel.yaml import YAML

from mimic3d.cameras import Scene
from mimic3d.metrics.kernel import KernelConfig
from mimic3d.metrics.neighbours import NeighboursConfig
from mimic3d.metrics.protocol import Protocol, protocol_hash
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, save_snapshot
from tools.cli import COMMANDS
from tools.render import build_parser

ROOT = Path(__file__).parents[2]
OF_TOOLS = (".dvc/", ".pipeline/")  # notes of DVC and of jobs on themselves
DIARY = "my diary, written over many years\n"


@pytest.fixture
def place(project, tiny_config, monkeypatch):
    """A project with inputs for all commands, as the current folder."""
    cfg = tiny_config.model_copy(update={"detail": True})
    meta = SnapshotMeta(
        stage="imitate", nimg=4, dataset_fingerprint="", average_label=(0.0,) * 25, scene=Scene(),
        generator=cfg, discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    save_snapshot(project / "snapshot", meta, {"G_ema": Generator(cfg, Scene())})
    (project / "model.pkl").write_bytes(b"no pickle")
    write_evaluation(project / "report")
    monkeypatch.setattr("tools.outputs.RECORDS", project.parent / "records")
    monkeypatch.chdir(project)
    return project


def write_evaluation(folder: Path) -> None:
    """What `compare` reads of an evaluation."""
    record = Protocol(
        branch="3d", feature_network="random_conv-v1-d256", feature_resize="none",
        dataset_fingerprint="f" * 64, split="train", reference="8 of them", mirrored=True,
        num_real=8, num_fake=8, conditioning_camera="rendering camera",
        rendering_camera="drawn from the dataset's labels", truncation_psi=1.0, resolution=16,
        resize="none",
        samples_per_ray=12, seeds=(0, 7), kernel=KernelConfig(), neighbours=NeighboursConfig(),
        patches=None,
    )  # fmt: skip
    folder.mkdir()
    described = record.model_dump(mode="json") | {"hash": protocol_hash(record)}
    (folder / "protocol.json").write_text(json.dumps({"3d/random_conv": described}))
    columns = "name,value,low,high,protocol"
    row = f"3d/fd_random_conv,1.0,,,{protocol_hash(record)}"
    (folder / "table.csv").write_text(f"{columns}\n{row}\n")


def tree_of(folder: Path) -> dict[str, str]:
    """Every file below a folder with a hash of its bytes; a link with where it leads."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def assert_refused(call: Callable[[], int], folder: Path, capfd) -> None:
    before = tree_of(folder)
    capfd.readouterr()
    assert call() != 0
    said = capfd.readouterr().err.strip()
    after = tree_of(folder)
    new = {name for name in after.keys() - before.keys() if not name.startswith(OF_TOOLS)}
    assert ({name: after.get(name) for name in before}, new) == (before, set())
    assert said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_every_command_and_every_stage_has_a_row():
    assert {*WRITERS, *FIXED, *NOWHERE} == set(COMMANDS)
    choices = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert {writer.arguments[1] for writer in WRITERS["render"]} == set(choices or ())
    assert set(STAGES) == set(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])


@pytest.mark.parametrize("writer", forms())
def test_what_lies_where_an_output_is_to_go_is_kept(writer, place, capfd):
    foreign = place / "mine" / writer.out
    foreign.parent.mkdir()
    foreign.write_text(DIARY)
    assert_refused(lambda: writer.call(foreign), place, capfd)
    assert_refused(lambda: writer.call(foreign / writer.out), place, capfd)  # below a file
    foreign.unlink()
    foreign.mkdir()
    (foreign / "diary.txt").write_text(DIARY)
    assert_refused(lambda: writer.call(foreign), place, capfd)
    (foreign / "diary.txt").rename(place / "diary.txt")
    foreign.rmdir()
    foreign.symlink_to(place / "diary.txt")
    assert_refused(lambda: writer.call(foreign), place, capfd)


@pytest.mark.parametrize("writer", forms())
def test_no_output_goes_to_its_input_to_what_is_above_it_or_here(writer, place, capfd):
    for out in (writer.arguments[1], *writer.arguments[1:3], ".", "..", place, "data", "snapshot"):
        if Path(out).exists():
            assert_refused(lambda out=out: writer.call(out), place.parent, capfd)
    (place / "here").mkdir()
    with pytest.MonkeyPatch.context() as patch:  # an empty folder that is the current one
        for name in ("data", "snapshot", "model.pkl", "report"):
            (place / "here" / name).symlink_to(place / name)
        patch.chdir(place / "here")
        assert_refused(lambda: writer.call("."), place, capfd)


@pytest.mark.parametrize("writer", [each for each in forms() if each.values[0].replaces])
def test_a_command_replaces_what_it_wrote_itself_until_it_is_changed(writer, place, capfd):
    stem, suffix = os.path.splitext(writer.out)
    out = place / "new" / f"{stem}{suffix.upper()}"
    assert writer.call(out) == 0
    files = [out] if writer.is_file else sorted(out.iterdir())
    assert all(path.is_file() for path in files)
    first = tree_of(place / "new")
    assert writer.call(out) == 0
    assert tree_of(place / "new") == first
    files[0].write_text(DIARY)
    assert_refused(lambda: writer.call(out), place, capfd)
    if not writer.is_file:
        files[0].unlink()
        (out / "diary.txt").write_text(DIARY)
        assert_refused(lambda: writer.call(out), place, capfd)


def test_a_suffix_is_the_same_in_capitals(place, capfd):
    (export, _) = WRITERS["export"]
    assert export.call("new/FACES.ZIP") == 0
    assert (place / "new" / "FACES.ZIP").is_file()
    assert_refused(lambda: export.call("new/FACES.ZIP"), place, capfd)
    grid = WRITERS["render"][0]
    assert_refused(lambda: grid.call("new/a.mp4"), place, capfd)  # would be a picture


def test_what_one_command_wrote_another_does_not_replace(place, capfd):
    grid, views = WRITERS["render"][:2]
    assert grid.call("a.png") == 0
    assert_refused(lambda: views.call("a.png"), place, capfd)


@pytest.mark.parametrize("name", FIXED)
def test_places_named_indirectly_are_kept_too(name, place, capfd):
    row = FIXED[name]
    if row.params:
        params = YAML(typ="safe").load(place / "params.yaml")
        params["prepare"] |= row.params
        YAML().dump(params, place / "params.yaml")
    for link in ("presets", "cluster.yaml", "stages", "mimic3d", "dvc.yaml", "pipeline"):
        (place / link).symlink_to(ROOT / link)
    if name == "preset":
        (place / "presets").unlink()
        (place / "presets").mkdir()
        (place / "presets" / "mine.yaml").write_text((place / "params.yaml").read_text() + "#\n")
    YAML().dump(PLAN, place / "sweep.yaml")
    target = place / row.place
    if row.is_file:
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            target.write_text(DIARY)
    else:
        target.mkdir(parents=True)
        (target / "diary.txt").write_text(DIARY)
    assert_refused(row.call, place, capfd)


def test_a_stage_started_alone_keeps_a_folder_that_is_no_dataset(place):
    params = YAML(typ="safe").load(place / "params.yaml")
    params["prepare"]["name"] = "mine"
    YAML().dump(params, place / "params.yaml")
    (place / "data" / "mine").mkdir()
    (place / "data" / "mine" / "diary.txt").write_text(DIARY)
    command = [sys.executable, "-m", "stages.prepare"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "diary.txt in it is something else and would be lost; move it" in ended.stderr
    assert (place / "data" / "mine" / "diary.txt").read_text() == DIARY
