"""A Ray head on this machine that lives no longer than the process that started it."""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.cluster import ADDRESS, LOCAL, Address, cores
from pipeline.jobs.heads import announced, is_alive

START_SECONDS = 120.0
STOP_SECONDS = 20.0
OBJECT_STORE_BYTES = 200_000_000
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class RayHead:
    """A running head: its address, and the variables with which other processes reach it."""

    address: Address
    environ: dict[str, str]
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def local_head(min_cpus: int = 1, root: Path | None = None) -> Iterator[RayHead]:
    """Starts a head that listens on loopback only and wants a random token; stops it at the end.

    Its variables are set in this process too, since Ray reads the token at its first import. With
    the folder of a project, `python -m pipeline.status` in that folder finds it.
    """
    remove_orphans(_short_temp())
    folder = Path(tempfile.mkdtemp(prefix=f"ray{os.getpid()}-", dir=_short_temp()))
    sessions = folder / "s"  # Ray opens its own folder to everybody; the one around it stays 0700
    port, dashboard, agent, client = _free_ports(4)
    url = f"http://127.0.0.1:{dashboard}"
    environ = {
        ADDRESS: url,
        LOCAL: "1",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: all ports on loopback
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # nothing outlives this head
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--disable-usage-stats", f"--port={port}", "--dashboard-host=127.0.0.1"),
        *(f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"),
        *(f"--ray-client-server-port={client}", f"--temp-dir={sessions}"),
        *(f"--num-cpus={max(cores(), min_cpus)}", f"--object-store-memory={OBJECT_STORE_BYTES}"),
    ]
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    log = folder / "head.log"
    process: subprocess.Popen[bytes] | None = None
    try:
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        _wait_until_up(url, process, log)
        announcement = announced(root, url, environ["RAY_AUTH_TOKEN"]) if root else None
        with announcement or contextlib.nullcontext():
            yield RayHead(Address(url, "a head of its own", is_local=True), environ, process)
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def remove_orphans(parent: Path) -> None:
    """Removes folders of heads whose process was killed before it could do so itself."""
    for folder in parent.glob("ray*-*"):
        owner = folder.name.removeprefix("ray").partition("-")[0]
        if owner.isdigit() and folder.is_dir() and not is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _short_temp() -> Path:
    """A folder short enough for Ray's sockets (107 characters)."""
    usual = tempfile.gettempdir()
    return Path("/tmp" if len(usual) > 30 and os.access("/tmp", os.W_OK) else usual)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/api/version", timeout=5)
            return
        except urllib.error.HTTPError:  # it answers, and wants the token
            return
        except OSError:
            time.sleep(0.1)
    tail = " ".join(log.read_text(errors="replace").split()[-60:])
    raise RuntimeError(f"a Ray head did not start within {START_SECONDS:.0f} s: {tail}")


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
