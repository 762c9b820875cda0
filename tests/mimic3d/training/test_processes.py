"""One process that accumulates two microbatches equals two processes with one each."""

import subprocess
import sys
from pathlib import Path

import torch
from torch.testing import assert_close

PROGRAM = """
import os
import sys
import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import nn
from mimic3d.data.dataset import Batch
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import LoopConfig, train
from mimic3d.training.phases import Outcome, Phase

rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
if world > 1:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    os.environ["MASTER_ADDR"] = "127.0.0.1"  # accelerate asks for it; the file is what is used
    os.environ["MASTER_PORT"] = "29500"
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world)
torch.manual_seed(0)
network, average = nn.Linear(25, 3), nn.Linear(25, 3)
means = []

def load(start, num):
    c = torch.arange(start, start + num).float()[:, None].expand(-1, 25) / 64
    return Batch(torch.zeros(num, 3, 4, 4), c)

def loss(real, moment):
    noise = torch.randn(real.c.shape, generator=moment.rng)
    out = network(real.c + noise)
    return Outcome((out - 1).square().mean(), {"out": out.mean()}, mean_w=out.mean(dim=0).detach())

phase = Phase("G", network, torch.optim.SGD(network.parameters(), lr=0.01), loss, 1, means.append)
cfg = LoopConfig(total_kimg=0.032, batch=8, microbatch=4, tick_kimg=0.016)
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == world
ticks = list(train([phase], load, network, average, accelerator, cfg, EmaConfig()))
state = {"weight": network.weight, "average": average.weight, "means": torch.stack(means)}
state["stats"] = torch.tensor([tick.stats["out"] for tick in ticks])
torch.save({k: v.detach() for k, v in state.items()}, f"{folder}/{world}-{rank}.pt")
"""


def test_two_processes_equal_one(tmp_path: Path):
    calls = [(0, 1), (0, 2), (1, 2)]
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(rank), str(world), str(tmp_path)])
        for rank, world in calls
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    one, first, second = (
        torch.load(tmp_path / f"{world}-{rank}.pt", weights_only=True) for rank, world in calls
    )
    for name, value in one.items():
        assert_close(first[name], value, rtol=1e-5, atol=1e-7, msg=name)
        assert first[name].equal(second[name])
