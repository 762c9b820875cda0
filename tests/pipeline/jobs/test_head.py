"""A Ray head of our own that is slowed down, broken or killed while it starts and afterwards."""

import os
import signal
from pathlib import Path

import pytest

from pipeline.jobs import head as module
from pipeline.jobs.head import HeadDiedError, _reason, local_head
from pipeline.jobs.head_process import add_agent_port


def test_a_raylet_is_told_the_port_it_would_wait_for():
    told = ["raylet", "--dashboard_agent_listen_port=9"]
    assert add_agent_port(["raylet"], "raylet", "9") == told
    assert add_agent_port(told, "raylet", "9") == told
    assert add_agent_port(["gcs_server"], "gcs_server", "9") == ["gcs_server"]


def test_the_reason_is_what_ray_said_last(tmp_path):
    assert "its logs say nothing" in _reason(tmp_path)
    (tmp_path / "head.log").write_text("hello\nException: The node timed out\nbye\n")
    logs = tmp_path / "s0" / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.out").write_text(
        "[2026-11-30 17:00:00,1 I 1 1] (raylet) fine\n"
        "[2026-11-30 17:00:01,1 C 1 1] (raylet) Check failed: waiting for file\n"
    )
    reason = _reason(tmp_path)
    assert "Exception: The node timed out" in reason
    assert "Check failed: waiting for file" in reason
    assert "fine" not in reason


def test_a_head_that_does_not_start_is_tried_twice_and_told_in_one_sentence(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    says = "echo 'Exception: no room for a node'"
    broken.write_text(f"#!/bin/sh\necho start >> {tmp_path}/starts\n{says}\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(broken))
    before = dict(os.environ)
    with pytest.raises(
        HeadDiedError, match="tried 2 times: Exception: no room for a node"
    ) as error:
        with local_head():
            pytest.fail("it never was up")
    assert "\n" not in str(error.value)
    assert (tmp_path / "starts").read_text().split() == ["start", "start"]
    assert dict(os.environ) == before


def test_sockets_of_a_head_lie_in_a_short_folder_or_the_rule_is_told(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(module.tempfile, "tempdir", str(long))
    assert module._short_temp() in map(Path, module.SHORT_FOLDERS)
    monkeypatch.setattr(module, "SHORT_FOLDERS", (str(tmp_path / "absent"),))
    with pytest.raises(ValueError, match="TMPDIR must be a folder of at most 24 characters"):
        module._short_temp()


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_head_starts_where_the_temporary_folder_has_a_long_name(
    project, tmp_path, monkeypatch, quiet_environ
):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    project.set_up("temporary", machines=0)
    code, out, err = project.run()
    assert code == 0, out + err
    assert f"temporary folder {long}" in out  # that of the stage is the user's


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_head_whose_node_was_slow_or_killed_is_started_once_more(quiet_environ, monkeypatch):
    """The first one is killed as soon as its dashboard answers, before the node is there."""
    wait, killed = module._wait_until_up, []

    def kill_first(url, agent_url, token, process):
        if not killed:
            killed.append(process.pid)
            os.killpg(process.pid, signal.SIGKILL)
        wait(url, agent_url, token, process)

    monkeypatch.setattr(module, "_wait_until_up", kill_first)
    with pytest.raises(HeadDiedError, match="the Ray head on this machine died"):
        kill_in_use(killed)
    assert killed


def kill_in_use(killed: list[int]) -> None:
    with local_head() as head:
        assert killed != [head.process.pid]
        token = head.environ["RAY_AUTH_TOKEN"]
        assert module._answers(f"{head.address.url}/api/jobs/", token)
        os.killpg(head.process.pid, signal.SIGKILL)
        raise ConnectionError("as whoever needs the head notices it")
