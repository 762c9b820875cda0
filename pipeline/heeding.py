"""Ray Train's process group for workers that heed SIGTERM; imported where Ray is."""

from dataclasses import dataclass, field
from typing import Any

from ray.train.torch import TorchConfig

from pipeline.preemption import heed_sigterm
from pipeline.workers.process_group import ByAddress, ByAddressBackend


@dataclass
class HeedingConfig(ByAddress):
    """As ours, with the time that a worker has to save its state."""

    grace_seconds: float = field(kw_only=True)

    @property
    def backend_cls(self) -> type[ByAddressBackend]:
        """What sets workers up before they train."""
        return HeedingBackend


class HeedingBackend(ByAddressBackend):
    """Prepares the main threads of workers: training has another, and signals are for the first."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Called when all workers are there."""
        assert isinstance(backend_config, HeedingConfig)
        worker_group.execute(heed_sigterm, backend_config.grace_seconds)
        super().on_start(worker_group, backend_config)
