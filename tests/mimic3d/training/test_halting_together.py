"""Two processes of which one is asked to end: both do, after the same step."""

import json
import subprocess
import sys

PROGRAM = """
import copy, json, os, sys
import torch, torch.distributed as dist
from accelerate import Accelerator
from torch import nn
from mimic3d.data.dataset import Batch
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import HaltedError, LoopConfig, train
from mimic3d.training.phases import LossOutput, Phase

rank, folder = int(sys.argv[1]), sys.argv[2]
os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
torch.manual_seed(0)
network = nn.Linear(25, 1)

def loss(real, context):
    loss = (network(real.c) - rank).square().mean()
    return LossOutput(loss, {"loss/fit": loss})

def load(start, num):
    return Batch(torch.zeros(num, 3, 4, 4), torch.full((num, 25), start / 64))

steps = iter(range(100))
phase = Phase("fit", network, torch.optim.Adam(network.parameters()), loss)
cfg = LoopConfig(total_kimg=0.064, batch=8, microbatch=4, tick_kimg=0.064)
try:
    list(train([phase], load, network, copy.deepcopy(network), Accelerator(cpu=True), cfg,
               EmaConfig(), is_halted=lambda: next(steps) >= 3 and rank == 1))
except HaltedError as halted:
    weights = network.weight.detach().sum().item()
    facts = {"nimg": halted.nimg, "sums": halted.sums, "weights": weights}
    open(f"{folder}/{rank}.json", "w").write(json.dumps(facts))
"""


def test_one_process_that_is_asked_halts_all_after_the_same_step(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(rank), str(tmp_path)])
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first["nimg"] == 24
    assert first["sums"]["loss/fit"][1] == 3
