"""One process that accumulates two microbatches equals two processes with one each."""

import subprocess
import sys
from pathlib import Path

import torch
from torch.testing import assert_close

PROGRAM = """
import copy
import os
import sys
import torch
import torch.distributed as dist
from accelerate import Accelerator
from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import AdversarialConfig
from mimic3d.losses.density import DensityConfig
from mimic3d.networks.discriminator import DiscriminatorConfig, DualDiscriminator
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.training.augment import Augment, AugmentConfig
from mimic3d.training.pretrain_losses import CameraLabels, PretrainLossConfig, PretrainLosses
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import LoopConfig, train
from mimic3d.training.pretrain_losses import pretrain_phases
from mimic3d.training.schedules import BlurConfig, SwappingConfig

rank, world, folder, config = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
if world > 1:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    os.environ["MASTER_ADDR"] = "127.0.0.1"  # accelerate asks for it; the file is what is used
    os.environ["MASTER_PORT"] = "29500"
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world)
torch.manual_seed(0)
G = Generator(GeneratorConfig.model_validate_json(config), Scene())
D = DualDiscriminator(DiscriminatorConfig(channel_base=64, channel_max=8), 16)
G_ema = copy.deepcopy(G)
augment = Augment(AugmentConfig(enabled=True, initial_p=0.5, speed_kimg=0.1, interval=2))
labels = orbit_cameras(torch.linspace(-0.4, 0.4, 9), torch.zeros(9), Scene()).labels()

def load(start, num):
    positions = torch.arange(start, start + num)
    image = torch.sin(positions[:, None, None, None] + torch.arange(768.0).reshape(3, 16, 16))
    return Batch(image, labels[positions % 9])

losses_cfg = PretrainLossConfig(
    adversarial=AdversarialConfig(r1_interval=2),
    density=DensityConfig(num_points=20, interval=2),
    swapping=SwappingConfig(fade_kimg=0),
    blur=BlurConfig(initial_sigma_px=1, fade_kimg=0.1),
)
losses = PretrainLosses(G, D, CameraLabels(labels, torch.ones(9)), losses_cfg, augment)
# Plain descent: Adam would divide rounding errors of tiny gradients by themselves.
descent = [torch.optim.SGD(network.parameters(), lr=0.01) for network in (G, D)]
cfg = LoopConfig(total_kimg=0.032, batch=8, microbatch=4, tick_kimg=0.016)
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == world
phases = pretrain_phases(losses, *descent)
ticks = list(train(phases, load, G, G_ema, accelerator, cfg, EmaConfig()))
state = {"w_avg": G.mapping.w_avg, "p": augment.p}
for name, network in (("G", G), ("D", D), ("G_ema", G_ema)):
    state[name] = torch.cat([p.flatten() for p in network.parameters()])
for name, value in ticks[-1].stats.items():
    state[name] = torch.tensor(value)
torch.save({k: v.detach() for k, v in state.items()}, f"{folder}/{world}-{rank}.pt")
"""


def test_two_processes_equal_one(tmp_path: Path, tiny_config):
    calls = [(0, 1), (0, 2), (1, 2)]
    config = tiny_config.model_dump_json()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(world), str(tmp_path), config]
        )
        for rank, world in calls
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0, 0]
    one, first, second = (
        torch.load(tmp_path / f"{world}-{rank}.pt", weights_only=True) for rank, world in calls
    )
    assert one["p"] != 0.5
    assert {"loss/G", "loss/D", "loss/D_r1", "loss/density", "augment/p"} <= one.keys()
    for name, value in one.items():
        assert_close(first[name], value, rtol=1e-5, atol=1e-6, msg=name)
        assert first[name].equal(second[name])
