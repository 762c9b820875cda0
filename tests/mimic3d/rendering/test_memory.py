import pytest
import torch

from mimic3d.rendering import memory
from mimic3d.rendering.memory import chunk_bytes, free_bytes
from mimic3d.rendering.renderer import RenderingConfig, chunk_rays

CPU = torch.device("cpu")


def set_machine(monkeypatch, tmp_path, available_kib, limit=None, anon=0, cache=0):
    """A machine with this much memory available, and a container with this limit."""
    (tmp_path / "meminfo").write_text(
        f"MemTotal:       64000000 kB\nMemAvailable: {available_kib} kB\nHugePages_Total: 0\n"
    )
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.stat").write_text(f"anon {anon}\nfile {cache}\n")


def test_chunks_do_not_change_while_memory_is_plenty(monkeypatch, tmp_path):
    for gib in (2, 24, 512):
        set_machine(monkeypatch, tmp_path, gib * 2**20)
        assert chunk_bytes(CPU) == 2**28


def test_chunks_shrink_by_halves_where_memory_is_short(monkeypatch, tmp_path):
    sizes = []
    for mib in (1024, 1023, 100, 1, 0):
        set_machine(monkeypatch, tmp_path, mib * 2**10)
        sizes.append(chunk_bytes(CPU))
        assert 4 * sizes[-1] <= max(mib * 2**20, 4)
    assert sizes == [2**28, 2**27, 2**24, 2**18, 1]
    assert chunk_rays((torch.zeros(1, 3, 4, 8, 8),), 1, RenderingConfig()) == 1


@pytest.mark.parametrize(
    ("limit", "free"), [("max", 2**30), (2**40, 2**30), (2**20, 2**19), (2**18, 0)]
)
def test_the_limit_of_a_container_counts(monkeypatch, tmp_path, limit, free):
    set_machine(monkeypatch, tmp_path, 2**20, limit, anon=2**19, cache=2**40)
    assert free_bytes(CPU) == free


def test_a_system_that_does_not_tell_has_some_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "none")
    assert free_bytes(CPU) > 2**26


def test_a_ray_of_all_samples_and_planes_fits():
    cfg = RenderingConfig(depth_resolution=48, depth_resolution_importance=48)
    planes = (torch.zeros(2, 3, 32, 8, 8), torch.zeros(2, 3, 32, 16, 16))
    assert chunk_rays(planes, 2, cfg) <= 2**28 / (2 * 96 * 2 * 3 * 32 * 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cached_blocks_of_a_gpu_are_free():
    device = torch.device("cuda")
    before = free_bytes(device)
    block = torch.empty(2**28, dtype=torch.uint8, device=device)
    assert free_bytes(device) <= before - 2**27
    del block
    assert free_bytes(device) >= before - 2**24
