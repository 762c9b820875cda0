"""A Ray cluster of several nodes on this computer."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from pipeline.jobs.head import _free_ports

JOIN = """
import signal, sys
from ray._private.node import Node
from ray._private.parameter import RayParams

address, agent, cpus, folder = sys.argv[1:]
given = RayParams(
    gcs_address=address, num_cpus=int(cpus), object_store_memory=100_000_000, node_manager_port=0,
    min_worker_port=0, max_worker_port=0, dashboard_agent_listen_port=int(agent),
    temp_dir=folder,
)
Node(given, head=False, shutdown_at_exit=True, spawn_reaper=True)
print("joined", flush=True)
signal.pause()
"""
"""A node that joins a cluster, as `ray start` does it where that keeps loopback to one node."""


class Machines:
    """A Ray cluster of several nodes on loopback, each with a temporary folder of its own."""

    def __init__(self, folder: Path, count: int, cpus: int) -> None:
        self._folder, self._cpus = folder, cpus
        self._ray = Path(tempfile.mkdtemp(prefix=f"ray{os.getpid()}-", dir="/tmp"))
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._address, self.url = self._start_head()
        for _ in range(count - 1):
            self.add()

    def temporary(self, index: int) -> Path:
        """Temporary folder of a machine; 0 is the head."""
        return self._folder / f"machine-{index}"

    def add(self) -> int:
        """One more machine; two that join at once would take each other's sockets."""
        (agent,) = _free_ports(1)
        index = len(self._nodes)
        folder = self._ray / str(index)
        self._spawn("-c", JOIN, self._address, str(agent), str(self._cpus), str(folder))
        log = self.temporary(index) / "ray.log"
        while "joined" not in log.read_text():
            assert self._nodes[index].poll() is None, log.read_text()
            time.sleep(0.2)
        return index

    def indices(self) -> range:
        """Of all machines, dead or alive."""
        return range(len(self._nodes))

    def kill(self, index: int) -> None:
        """Pulls the plug of a machine."""
        os.killpg(self._nodes[index].pid, signal.SIGKILL)
        self._nodes[index].wait()

    def stop(self) -> None:
        for node in reversed(self._nodes):
            node.terminate()
        for node in self._nodes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
        shutil.rmtree(self._ray, ignore_errors=True)

    def _start_head(self) -> tuple[str, str]:
        port, dashboard, agent, client = _free_ports(4)
        url = f"http://127.0.0.1:{dashboard}"
        self._spawn(
            *("-m", "pipeline.jobs.head_process", "start", "--head", "--block", f"--port={port}"),
            *(
                "--disable-usage-stats",
                "--dashboard-host=127.0.0.1",
                f"--temp-dir={self._ray / '0'}",
            ),
            *(f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"),
            *(f"--ray-client-server-port={client}", f"--num-cpus={self._cpus}"),
            "--object-store-memory=100000000",
        )
        node = self._nodes[0]
        while not _is_up(f"http://127.0.0.1:{agent}/api/local_raylet_healthz"):
            assert node.poll() is None, (self.temporary(0) / "ray.log").read_text()
            time.sleep(0.2)
        return f"127.0.0.1:{port}", url

    def _spawn(self, *arguments: str) -> None:
        temporary = self.temporary(len(self._nodes))
        temporary.mkdir(parents=True)
        with (temporary / "ray.log").open("wb") as log:
            node = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=temporary,
                env={**os.environ, "TMPDIR": str(temporary)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._nodes.append(node)


def _is_up(url: str) -> bool:
    """Whether the node that takes jobs is there; a test's own time limit ends the wait."""
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False
