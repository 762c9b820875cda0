"""Load of the machine of a job (CPU, memory, disk, network, GPU) in its MLflow run, by MLflow."""

import logging
import os
import threading
import time

from pipeline.tracking.mlflow_runs import RunAddress, attempt

SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
"""MLflow's own variable; here `false` turns it off."""
SAMPLE_SECONDS, SAMPLES_PER_POINT = 10, 3
RESTART_SECONDS = 60.0
THREAD = "SystemMetricsMonitor"
"""Name that MLflow gives to its thread."""


class SystemMetrics:
    """MLflow's monitor, begun again where it gave up because the server was away.

    GPUs need the package nvidia-ml-py; without it the other numbers are there.
    """

    def __init__(self, address: RunAddress | None) -> None:
        is_on = os.environ.get(SWITCH, "true").lower() not in ("false", "0")
        self._address = address if is_on else None
        self._next = 0.0

    def follow(self) -> None:
        """Sees to it that the monitor runs; to be called now and then."""
        if self._address is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + RESTART_SECONDS
        if not any(thread.name == THREAD for thread in threading.enumerate()):
            attempt(self._start, quiet=True)

    def _start(self) -> None:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        assert self._address
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        monitor = SystemMetricsMonitor(
            self._address.run_id,
            SAMPLE_SECONDS,
            SAMPLES_PER_POINT,
            resume_logging=True,
            tracking_uri=self._address.uri,
        )
        monitor.start()  # a daemon; it ends with the run
