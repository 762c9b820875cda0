import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mimic3d.preparation.poses.face_models import SHA256, find_face_models

NAMES = [Path(member).name for member in SHA256]


def run(*arguments, **environment):
    command = [sys.executable, "-m", "mimic3d.preparation.poses.face_models", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def copy(models, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        source = models / name
        if not source.is_file():
            pytest.skip("the networks are those of an installed mediapipe")
        shutil.copy(source, folder)
    return folder


def test_without_the_networks_the_error_says_how_to_have_them(tmp_path):
    message = (
        rf"needs {NAMES[0]} in {tmp_path}, it is not there; run "
        rf"`python -m mimic3d\.preparation\.poses\.face_models {tmp_path}`, or put "
        rf"mediapipe/.*{NAMES[0]} and mediapipe/.*{NAMES[1]} of the wheel "
        rf"mediapipe==0\.10\.21 .* into {tmp_path}"
    )
    with pytest.raises(ValueError, match=message):
        find_face_models(tmp_path)


def test_another_file_than_the_network_is_refused(models, tmp_path):
    copy(models, tmp_path)
    (tmp_path / NAMES[1]).write_bytes(b"another network")
    with pytest.raises(ValueError, match=rf"SHA-256 of .*{NAMES[1]} must be 1055cb9d.*; remove it"):
        find_face_models(tmp_path)


def test_an_installed_mediapipe_serves_if_its_files_are_the_same(models, tmp_path, monkeypatch):
    """It is found, not imported."""
    package = tmp_path / "mediapipe"
    for member in SHA256:
        copy(models, tmp_path / "kept")
        (package / member).parent.mkdir(parents=True)
        shutil.copy(tmp_path / "kept" / Path(member).name, package / member)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_face_models(tmp_path / "empty")
    assert found.detector.is_relative_to(package)
    found.mesh.write_bytes(b"of another version")
    with pytest.raises(ValueError, match=r"needs face_landmark\.tflite in .*empty"):
        find_face_models(tmp_path / "empty")


def test_the_command_downloads_nothing_when_the_networks_are_there(models, tmp_path):
    copy(models, tmp_path)
    ended = run(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [str(tmp_path / name) for name in NAMES]


def test_without_a_package_index_the_command_says_what_to_put_where(tmp_path):
    ended = run(tmp_path / "new", PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert ended.returncode == 1
    assert "mediapipe==0.10.21 could not be downloaded" in ended.stderr
    assert f"into {tmp_path / 'new'}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "new").exists()
