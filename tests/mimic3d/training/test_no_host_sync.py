"""A step of training never waits for the GPU: no value is read back, no shape depends on one."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.training_setup import TINY, build_setup
from mimic3d.rendering.backend import TORCH
from mimic3d.training.phases import StepContext, seeded_rng

CPU = torch.device("cpu")
READS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_dim"}


class NoHostSync(TorchDispatchMode):
    """Operators that would wait for a GPU are errors."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        is_masked = name in ("index", "index_put", "index_put_") and any(
            isinstance(x, torch.Tensor) and x.dtype in (torch.bool, torch.uint8)
            for x in tree_leaves(args[1])
        )
        if name in READS or is_masked:
            raise AssertionError(f"{func} reads the GPU back")
        return func(*args, **(kwargs or {}))


def take_step(setup, phase, device):
    phase.module.requires_grad_(True)
    phase.optimizer.zero_grad(set_to_none=True)
    real = setup.load(0, 4)
    output = phase.loss(real, StepContext(1.0, seeded_rng(device, phase.name)))
    output.loss.backward()
    phase.optimizer.step()
    if output.tracked is not None and phase.track:
        phase.track(output.tracked, 4)
    phase.module.requires_grad_(False)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "imitate"])
def test_no_phase_reads_the_device_back(stage):
    setup = build_setup(stage, TINY, CPU, TORCH, "float32")
    for network in setup.networks.values():
        network.requires_grad_(False)
    for phase in setup.phases:
        with NoHostSync():
            take_step(setup, phase, CPU)


@pytest.mark.parametrize("read", [
    lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: bool(x[0] > 0)
])  # fmt: skip
def test_reads_are_noticed(read):
    with pytest.raises(AssertionError, match="reads the GPU back"), NoHostSync():
        read(torch.ones(3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("stage", ["pretrain", "imitate"])
def test_no_phase_waits_for_the_gpu(stage):
    from mimic3d.rendering.backend import choose_backend

    device = torch.device("cuda")
    for name in ("torch", "auto"):
        setup = build_setup(stage, TINY, device, choose_backend(name, device))
        for network in setup.networks.values():
            network.requires_grad_(False)
        for phase in setup.phases:
            take_step(setup, phase, device)  # compiles, and fills the caches of libraries
        torch.cuda.set_sync_debug_mode("error")
        try:
            for phase in setup.phases:
                take_step(setup, phase, device)
        finally:
            torch.cuda.set_sync_debug_mode("default")
