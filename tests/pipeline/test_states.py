"""The list of training states, and their removal."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline import states
from pipeline.stage import hash_code, identify
from pipeline.training_state import StateFolder, begin_folder, find_folders

CLUSTER = Path(__file__).parents[2] / "cluster.yaml"


@pytest.fixture
def project(prepared_project, tmp_path):
    return shutil.copytree(prepared_project, tmp_path / "project")


@pytest.fixture
def folder(project, monkeypatch):
    """A project with a state of now, in a folder that is the working one."""
    shutil.copy(CLUSTER, project)
    monkeypatch.chdir(project)
    return add_state(project, identify("pretrain", project), 48)


def add_state(root: Path, identity, nimg: int) -> StateFolder:
    made = StateFolder(root / "state" / "pretrain" / identity.key)
    begin_folder(made, identity, 64)
    (made.path / f"nimg-{nimg:09d}").mkdir()
    (made.path / f"nimg-{nimg:09d}" / "G.safetensors").write_bytes(bytes(1000))
    return made


def rows(capsys) -> list[dict]:
    capsys.readouterr()
    assert states.main(["--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_state_of_now_is_listed_with_its_size_and_progress(folder, capsys):
    (row,) = rows(capsys)
    assert (row["stage"], row["key"]) == ("pretrain", folder.name)
    assert (row["nimg"], row["total_nimg"], row["differs"]) == (48, 64, "")
    assert row["bytes"] > 1000
    assert 0 <= row["age_seconds"] < 600
    assert states.main([]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["stage", "key", "size"]
    assert "0.048 of 0.064 kimg" in line
    assert line.endswith("the same")


def test_it_says_in_what_a_state_differs_from_now(folder, project, capsys, monkeypatch):
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("batch: 8", "batch: 16", 1))
    code = hash_code("pretrain") | {"mimic3d.networks.layers": "other"}
    monkeypatch.setattr("stages.training_states.hash_code", lambda stage: code)
    assert rows(capsys)[0]["differs"] == ("parameters: loop.batch; code: mimic3d.networks.layers")


def test_a_state_of_before_code_counted_is_listed(folder, project, capsys):
    former = folder.path.with_name(identify("pretrain", project).key_without_code)
    folder.path.rename(former)
    (former / "training.json").unlink()
    (row,) = rows(capsys)
    assert (row["total_nimg"], row["differs"]) == (None, "code unknown")


def test_one_is_deleted_on_request_and_nothing_else(folder, project, capsys):
    other = folder.path.with_name(f"{folder.name}-2")
    shutil.copytree(folder.path, other)
    before = {path for path in project.rglob("*") if other not in [path, *path.parents]}
    assert states.main(["--delete", other.name]) == 0
    assert capsys.readouterr().out == f"deleted state/pretrain/{other.name}\n"
    left = {path for path in project.rglob("*") if ".pipeline" not in path.parts}
    assert left == before
    assert find_folders(project, "pretrain") == [folder]


@pytest.mark.parametrize("key", ["0123456789ab", "..", "../../data", ""])
def test_what_is_no_state_is_not_deleted(folder, project, capsys, key):
    before = sorted(project.rglob("*"))
    assert states.main(["--delete", folder.name, key]) == 2
    assert f"is {key}; there are {folder.name}" in capsys.readouterr().err
    assert sorted(project.rglob("*")) == before


def test_one_in_use_is_not_deleted(folder, project, capsys):
    with folder.locked(project):
        assert states.main(["--delete", folder.name]) == 2
    assert "is in use; wait for that training or end it" in capsys.readouterr().err
    assert folder.nimg == 48


def test_without_states_it_is_one_line(project, capsys, monkeypatch):
    shutil.copy(CLUSTER, project)
    monkeypatch.chdir(project)
    assert states.main([]) == 0
    assert capsys.readouterr().out == "No training states below state/.\n"
