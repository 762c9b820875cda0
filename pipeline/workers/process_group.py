"""Process groups of Ray Train that use Ray's network interface and save state after SIGTERM."""

import os
import socket
from dataclasses import dataclass, field
from typing import Any

import psutil
from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend

from pipeline.preemption import install_sigterm_handler


class GlooInterfaceConfig(TorchConfig):
    """Ray Train's process group, but over the network interface by which Ray knows each machine.

    Left alone, gloo listens where the host name leads, and many systems let that lead to loopback.
    """

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """Class that prepares the workers."""
        return GlooInterfaceBackend


class GlooInterfaceBackend(_TorchBackend):
    """Chooses the network interface of each worker before they meet."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Called when all workers are there."""
        worker_group.execute(_choose_interface)
        super().on_start(worker_group, backend_config)


@dataclass
class PreemptibleTorchConfig(GlooInterfaceConfig):
    """Our process group, with the time that a worker has to save its state after SIGTERM."""

    grace_seconds: float = field(kw_only=True)

    @property
    def backend_cls(self) -> type[GlooInterfaceBackend]:
        """Class that prepares the workers."""
        return PreemptibleTorchBackend


class PreemptibleTorchBackend(GlooInterfaceBackend):
    """Prepares the main threads of workers: training has another, and signals are for the first."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Called when all workers are there."""
        assert isinstance(backend_config, PreemptibleTorchConfig)
        worker_group.execute(install_sigterm_handler, backend_config.grace_seconds)
        super().on_start(worker_group, backend_config)


def _choose_interface() -> None:
    from ray.util import get_node_ip_address

    if name := interface_of(get_node_ip_address()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)


def interface_of(address: str) -> str | None:
    """Name of the network interface that has an address; None if none of this machine has it."""
    families = (socket.AF_INET, socket.AF_INET6)
    for name, entries in psutil.net_if_addrs().items():
        if any(entry.family in families and entry.address == address for entry in entries):
            return name
    return None
