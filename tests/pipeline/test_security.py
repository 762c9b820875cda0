"""Who may ask what of the servers: everything listens on loopback and wants a password or token."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from pipeline.cluster import Address, Settings, tracking_uri
from pipeline.jobs.head import local_head
from pipeline.jobs.jobs_api import find_token, list_jobs
from pipeline.tracking.mlflow_runs import attempt, close_run, connect, open_run

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def test_a_token_is_found_where_ray_looks(tmp_path):
    (tmp_path / ".ray").mkdir()
    assert find_token({"HOME": str(tmp_path)}) is None
    (tmp_path / ".ray" / "auth_token").write_text("home\n")
    (tmp_path / "file").write_text("file\n")
    environ = {"HOME": str(tmp_path)}
    assert find_token(environ) == "home"
    environ["RAY_AUTH_TOKEN_PATH"] = str(tmp_path / "file")
    assert find_token(environ) == "file"
    environ["RAY_AUTH_TOKEN"] = "variable"
    assert find_token(environ) == "variable"


def test_an_address_with_a_password_is_refused_wherever_it_stands(tmp_path):
    uri = "http://me:pass@host:5000"
    with pytest.raises(ValueError, match=r"^MLFLOW_TRACKING_URI must hold no password"):
        tracking_uri(Settings(), tmp_path, {"MLFLOW_TRACKING_URI": uri})
    with pytest.raises(ValueError, match=r"^metadata.pipeline.tracking_uri in cluster.yaml must"):
        tracking_uri(Settings(tracking_uri=uri), tmp_path, {})


def answer(url: str, method: str, token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code


def listening(pid: int) -> set[str]:
    """Addresses on which a process and those it started take connections."""
    process = psutil.Process(pid)
    return {
        connection.laddr.ip
        for each in (process, *process.children(recursive=True))
        for connection in each.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="macOS shows connections to root only")
def test_our_head_listens_on_loopback_and_wants_its_token(quiet_environ, tmp_path):
    with local_head(root=tmp_path) as head:
        url, token = head.address.url, head.environ["RAY_AUTH_TOKEN"]
        assert listening(head.process.pid) <= set(LOOPBACK)
        for method, path in (("GET", "jobs/"), ("POST", "jobs/"), ("DELETE", "jobs/x")):
            assert answer(f"{url}/api/{path}", method) == 401
            assert answer(f"{url}/api/{path}", method, "guessed") == 403
        assert answer(f"{url}/api/jobs/", "GET", token) == 200
        with pytest.raises(ConnectionError, match="refuses the token"):
            list_jobs(head.address, "guessed")
        assert list_jobs(Address(url, "test", is_local=False), token) == []
        assert len(list((tmp_path / ".pipeline" / "heads").iterdir())) == 1
    assert not list((tmp_path / ".pipeline" / "heads").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another user")
def test_another_user_reaches_nothing_of_our_head(quiet_environ, tmp_path):
    with local_head(root=tmp_path) as head:
        command = next(each for each in head.process.args if each.startswith("--temp-dir="))
        sessions = Path(command.removeprefix("--temp-dir="))
        assert sessions.is_dir()
        attempts = (
            f"ls {sessions}",
            f"touch {sessions}/planted",
            f"cat {sessions.parent}/head.log",
            f"mv {sessions} {sessions}-away",
            f"ls {sessions.parent}",
        )
        for attempt_of_another in attempts:
            done = subprocess.run(
                ["sh", "-c", attempt_of_another], user="nobody", group="nogroup",
                extra_groups=[], capture_output=True, cwd="/",
            )  # fmt: skip
            assert done.returncode != 0, attempt_of_another
            assert b"Permission denied" in done.stderr
        shared = subprocess.run(["ls", "/"], user="nobody", cwd="/", capture_output=True)
        assert shared.returncode == 0  # that user can do what is allowed


@pytest.fixture
def guarded_mlflow(tmp_path, quiet_environ):
    """An MLflow server with passwords, as docs/security.md starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\nadmin_username = admin\n"
        f"database_uri = sqlite:///{tmp_path}/auth.db\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environ = {
        **os.environ,
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": "correct horse battery",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    log = (tmp_path / "server.log").open("w")
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=log, stderr=log, start_new_session=True
    )
    yield f"http://127.0.0.1:{port}", server
    for each in (*psutil.Process(server.pid).children(recursive=True), server):
        each.kill()
    server.wait(20)


def wait_until_up(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            assert answer(f"{url}/health", "GET") == 200
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(log.read_text()[-3000:])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_mlflow_with_passwords_takes_them_from_the_home_of_each_machine(
    guarded_mlflow, tmp_path, monkeypatch, capsys
):
    url, server = guarded_mlflow
    wait_until_up(url, server, tmp_path / "server.log")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert answer(f"{url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=x", "GET") == 401
    arguments = (url, tmp_path / "unused", "toy", "repro", "fp", {})
    assert attempt(lambda: open_run(*arguments)) is None
    assert "MLflow does not let this user report here" in capsys.readouterr().err

    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = admin\n"
        "mlflow_tracking_password = correct horse battery\n"
    )
    run = open_run(*arguments)
    close_run(run, "FINISHED")
    assert connect(url).get_run(run.run_id).info.status == "FINISHED"
