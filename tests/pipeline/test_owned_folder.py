import fcntl
import os
import subprocess
import sys

import pytest

from pipeline.owned_folder import LOCK, hold, is_held, owned_folder, remove_abandoned

HOLD = """
import sys
from pathlib import Path
from pipeline.owned_folder import owned_folder
with owned_folder(Path(sys.argv[1]), "ray-") as (folder, _):
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_lives_as_long_as_its_block_and_is_for_its_user(tmp_path):
    with owned_folder(tmp_path, "ray-") as (folder, descriptor):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert is_held(folder / LOCK)
        remove_abandoned(tmp_path, "ray-")
        assert folder.exists()
        assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC  # children are told
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_and_nothing_before(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    folder = tmp_path / os.path.basename(process.stdout.readline().strip())
    with owned_folder(tmp_path, "ray-"):
        assert folder.exists()  # of a process that lives, whatever its number is
    process.kill()
    process.communicate()
    remove_abandoned(tmp_path, "ray-")
    assert not folder.exists()


def test_a_child_holds_the_folder_on(tmp_path):
    folder = tmp_path / "ray-x"
    folder.mkdir()
    descriptor = hold(folder / LOCK)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[descriptor])
    os.close(descriptor)
    remove_abandoned(tmp_path, "ray-")
    assert folder.exists()
    child.communicate()
    remove_abandoned(tmp_path, "ray-")
    assert not folder.exists()


def test_folders_without_a_lock_are_nobodys_to_remove(tmp_path):
    (tmp_path / "ray-of-someone" / "results").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    os.close(hold(tmp_path / "elsewhere" / LOCK))
    (tmp_path / "ray-link").symlink_to(tmp_path / "elsewhere")
    remove_abandoned(tmp_path, "ray-")
    assert (tmp_path / "ray-of-someone" / "results").exists()
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_folders_of_other_users_stay(tmp_path):
    folder = tmp_path / "ray-x"
    folder.mkdir()
    os.close(hold(folder / LOCK))
    os.chown(folder, 65534, 65534)
    remove_abandoned(tmp_path, "ray-")
    assert folder.exists()
