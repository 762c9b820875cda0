import json
import os
import socket

from pipeline.jobs.heads import announced, find_heads
from pipeline.project import ProjectPaths


def test_a_head_is_found_while_it_runs_by_its_user_only(tmp_path):
    assert find_heads(tmp_path) == []
    with announced(tmp_path, "http://127.0.0.1:1", "token") as path:
        (head,) = find_heads(tmp_path)
        assert (head.url, head.token, head.pid) == ("http://127.0.0.1:1", "token", os.getpid())
        assert path.stat().st_mode & 0o077 == 0
    assert find_heads(tmp_path) == []
    assert not path.exists()


def test_files_of_killed_heads_are_removed_and_those_of_other_machines_left(tmp_path):
    folder = ProjectPaths(tmp_path).heads
    folder.mkdir(parents=True)
    for host in (socket.gethostname(), "another"):
        about = {"url": "http://127.0.0.1:1", "token": "t", "pid": os.getpid(), "host": host}
        (folder / f"{host}.json").write_text(json.dumps(about))
    (folder / "half.json").write_text('{"url": ')
    assert find_heads(tmp_path) == []
    assert {path.name for path in folder.iterdir()} == {"another.json", "half.json"}
