"""Bytes that a computation without gradients may hold at once, by what is free now."""

import os
import sys
from pathlib import Path

import torch

MOST_BYTES = 2**28  # 256 MiB keep any device busy
FREE_SHARE = 4  # take at most a quarter of what is free: planes, pictures and others need the rest
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # version 2; a container sees its own


def chunk_bytes(device: torch.device) -> int:
    """Bytes that one chunk may hold: `MOST_BYTES`, halved until a quarter of the free memory does.

    Where memory is not short it is always the same number, so that repeated computations are cut
    alike and agree to the last bit.
    """
    free, size = free_bytes(device), MOST_BYTES
    while size > 1 and size * FREE_SHARE > free:
        size //= 2
    return size


def free_bytes(device: torch.device) -> int:
    """Memory that a device could still give: of the GPU, or of this machine or container."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return min(_machine_bytes(MEMINFO), _container_bytes(CGROUP))


def _machine_bytes(meminfo: Path) -> int:
    """Available memory; where the system does not tell (macOS), half of what is built in."""
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines() if ":" in line)
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _container_bytes(cgroup: Path) -> int:
    """Limit of the container less the memory of its processes; no bound without one.

    The cache of files counts as free, since the system drops it first.
    """
    limit, stat = cgroup / "memory.max", cgroup / "memory.stat"
    if not limit.exists() or not stat.exists() or limit.read_text().strip() == "max":
        return sys.maxsize
    used = dict(line.split() for line in stat.read_text().splitlines())["anon"]
    return max(0, int(limit.read_text()) - int(used))
