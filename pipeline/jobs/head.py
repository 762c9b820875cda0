"""A Ray head on this machine that lives no longer than the process that started it."""

import contextlib
import ctypes
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.cluster import ADDRESS, LOCAL, Address, cores
from pipeline.jobs.heads import announced
from pipeline.owned_folder import owned_folder
from pipeline.yaml_file import one_line

START_SECONDS = 180.0
STARTS = 2
STOP_SECONDS = 20.0
END_SECONDS = 2.0
OBJECT_STORE_BYTES = 200_000_000
PR_SET_PDEATHSIG = 1
PORTS = {
    "port": "port",
    "dashboard": "dashboard-port",
    "agent": "dashboard-agent-listen-port",
    "client": "ray-client-server-port",
    "node_manager": "node-manager-port",
    "object_manager": "object-manager-port",
    "agent_grpc": "dashboard-agent-grpc-port",
    "runtime_env": "runtime-env-agent-port",
    "metrics": "metrics-export-port",
}
"""All ports of a head, by their options: Ray's node waits 15 s for each that it was not told."""
LOGS = (".out", ".err")
SEVERE = re.compile(r"^\[[^\]]* [EC] \d+ \d+\]|^\w*(Error|Exception): |exit code|exited")
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
MAX_TEMP = 24
"""Longest temporary folder below which Ray's sockets fit their 107 characters."""


@dataclass(frozen=True)
class RayHead:
    """A running head: its address, and the variables with which other processes reach it."""

    address: Address
    environ: dict[str, str]
    process: "subprocess.Popen[bytes]"


class HeadDiedError(RuntimeError):
    """Early end of a head of our own; the message has Ray's own reason."""


@contextlib.contextmanager
def local_head(min_cpus: int = 1, root: Path | None = None) -> Iterator[RayHead]:
    """Starts a head that listens on loopback only and wants a random token; stops it at the end.

    Its variables are set in this process too, since Ray reads the token at its first import. With
    the folder of a project, `python -m pipeline.status` in that folder finds it.

    Raises:
        HeadDiedError: it did not start, twice, or ended while it was needed.
        ValueError: there is no temporary folder that is short enough for it.
    """
    token = secrets.token_hex(32)
    with owned_folder(_short_temp(), "ray-") as (folder, lock), contextlib.ExitStack() as stack:
        head = _start(folder, lock, token, min_cpus)
        stack.callback(_stop, head.process)
        stack.enter_context(_set_variables(head.environ))
        if root:
            stack.enter_context(announced(root, head.address.url, token))
        try:
            yield head
        except (OSError, RuntimeError) as error:
            if not _has_ended(head.process):
                raise
            raise HeadDiedError(f"the Ray head on this machine died: {_reason(folder)}") from error


def _start(folder: Path, lock: int, token: str, min_cpus: int) -> RayHead:
    """A head whose node takes jobs; a busy machine may need a second start."""
    for number in range(STARTS):
        temporary = folder / "tmp"  # Ray's dashboard has sockets there, too
        temporary.mkdir(exist_ok=True)
        sessions = folder / f"s{number}"  # Ray opens its folder to everybody; `folder` is 0700
        ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        url = f"http://127.0.0.1:{ports['dashboard']}"
        environ = {
            ADDRESS: url,
            LOCAL: "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: all ports on loopback
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # nothing outlives this head
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_agent_register_timeout_ms": str(int(START_SECONDS * 1000)),
        }
        command = [
            *(sys.executable, "-m", "pipeline.jobs.head_process", "start", "--head", "--block"),
            *("--disable-usage-stats", "--dashboard-host=127.0.0.1", f"--temp-dir={sessions}"),
            *(f"--{option}={ports[name]}" for name, option in PORTS.items()),
            f"--num-cpus={max(cores(), min_cpus)}",
            f"--object-store-memory={OBJECT_STORE_BYTES}",
        ]
        with (folder / "head.log").open("ab") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environ, "TMPDIR": str(temporary)},
                pass_fds=[lock],  # the folder is in use as long as the head runs
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        try:
            _wait_until_up(url, f"http://127.0.0.1:{ports['agent']}", token, process)
            return RayHead(Address(url, "a head of its own", is_local=True), environ, process)
        except TimeoutError:
            _stop(process)
        except BaseException:
            _stop(process)
            raise
    raise HeadDiedError(f"a Ray head did not start, tried {STARTS} times: {_reason(folder)}")


def _wait_until_up(
    url: str, agent_url: str, token: str, process: "subprocess.Popen[bytes]"
) -> None:
    """Returns when the node is there and takes jobs, not only the dashboard.

    Raises:
        TimeoutError: the head ended, or was not up in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        is_node_up = _answers(f"{agent_url}/api/local_raylet_healthz")
        if is_node_up and _answers(f"{url}/api/jobs/", token):
            return
        time.sleep(0.1)
    raise TimeoutError


def _answers(url: str, token: str = "") -> bool:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.HTTPError, ValueError):
        return False


def _reason(folder: Path) -> str:
    """Last words of Ray's own logs on the end of a head."""
    logs = [path for path in folder.glob("s*/session_latest/logs/*.*") if path.suffix in LOGS]
    logs.sort(key=lambda path: path.stat().st_mtime)
    reasons = []
    for path in (folder / "head.log", *logs):
        with contextlib.suppress(OSError):
            lines = path.read_text(errors="replace").splitlines()
            reasons += [line for line in lines if SEVERE.search(line)][-1:]
    words = re.sub(r"\x1b\[[\d;]*m", "", "; ".join(dict.fromkeys(reasons[:1] + reasons[-1:])))
    return one_line(words, 500) or "its logs say nothing, so something killed it"


@contextlib.contextmanager
def _set_variables(environ: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _short_temp() -> Path:
    """A folder short enough for Ray's sockets: the temporary one, or another that all systems have.

    Raises:
        ValueError: none of them is short enough and can be written.
    """
    usual = tempfile.gettempdir()
    for folder in (usual, *SHORT_FOLDERS):
        if len(folder) <= MAX_TEMP and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise ValueError(
        f"TMPDIR must be a folder of at most {MAX_TEMP} characters for the sockets of Ray, or "
        f"{' or '.join(SHORT_FOLDERS)} one that can be written, is {usual}; set TMPDIR to a "
        f"shorter one"
    )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """True if it is over, or about to be: those who need it notice first."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    return process.returncode is not None


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Asks the head to stop its processes, then makes sure of the whole session."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
