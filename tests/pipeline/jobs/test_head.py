import os
import subprocess

from pipeline.jobs.head import remove_orphans


def test_only_folders_of_dead_owners_are_removed(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = (f"ray{dead.pid}-x", f"ray{os.getpid()}-x", "ray-other", "rayon-x")
    for name in names:
        (tmp_path / name / "session").mkdir(parents=True)
    remove_orphans(tmp_path)
    assert {folder.name for folder in tmp_path.iterdir()} == set(names[1:])
