"""Number of processes that `processes: auto` starts on this machine.

Processes pay more than threads at the sizes of the default experiment: threads wait for each other
at every small operator, the longer the more else the machine does.
`python -m benchmarks.training --processes 2` measures it.
"""

import os
import subprocess

import psutil

from pipeline.cluster import Workers, cores

PROCESS_BYTES = 2 * 2**30  # of memory for each; one of the default experiment takes 1.1 GiB


def count_processes(workers: Workers, parts: int | None) -> int:
    """Processes on each machine: the number in the row, or what `auto` means here.

    `auto` is one process per GPU if there are any and the row may use them, else one per core, as
    far as memory goes, and the most that divide the work of a stage into `parts`; None: any number
    can share it.
    """
    if workers.processes != "auto":
        return workers.processes
    limit = max(1, min(cores(), psutil.virtual_memory().available // PROCESS_BYTES))
    if workers.gpus == "auto" and (gpus := count_gpus()):
        limit = gpus
    if parts is None:
        return limit
    return max(number for number in range(1, limit + 1) if parts % number == 0)


def count_gpus() -> int:
    """NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
