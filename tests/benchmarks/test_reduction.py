"""Counted bytes are reduced bytes: what two processes really send while they train."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import copy, json, os, sys
import torch
import torch.distributed as dist
from accelerate import Accelerator
from benchmarks.reduction import count_values
from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import AdversarialConfig
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.training.pretrain_losses import CameraLabels, PretrainLossConfig, PretrainLosses
from mimic3d.training.ema import EmaConfig
from mimic3d.training.imitate_losses import ImitateLossConfig, ImitationLosses
from mimic3d.training.loop import LoopConfig, train
from mimic3d.training.imitate_losses import imitate_phases
from mimic3d.training.pretrain_losses import pretrain_phases
from mimic3d.training.schedules import BlurConfig, SwappingConfig

rank, folder, config, stage = int(sys.argv[1]), *sys.argv[2:]
torch.set_num_threads(1)
os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
sent = []
reduce = dist.all_reduce
def count(tensor, *args, **kwargs):
    sent.append([str(tensor.dtype), tensor.numel()])
    return reduce(tensor, *args, **kwargs)
dist.all_reduce = torch.distributed.distributed_c10d.all_reduce = count

torch.manual_seed(0)
sizes = DiscriminatorConfig(channel_base=64, channel_max=8)
settings = GeneratorConfig.model_validate_json(config)
G = Generator(settings.model_copy(update={"detail": stage == "imitate"}), Scene())
D, D_patch = DualDiscriminator(sizes, 16), PatchDiscriminator(sizes, 16)
labels = orbit_cameras(torch.linspace(-0.4, 0.4, 9), torch.zeros(9), Scene()).labels()
def load(start, num):
    return Batch(torch.zeros(num, 3, 16, 16), labels[:num])

lazy, cameras = AdversarialConfig(r1_interval=2), CameraLabels(labels, torch.ones(9))
given = {"adversarial": lazy, "density": DensityConfig(num_points=20, interval=2)}
given |= {"swapping": SwappingConfig(fade_kimg=0), "blur": BlurConfig(initial_sigma_px=0)}
optimizers = [torch.optim.SGD(each.parameters(), lr=0.01) for each in (G, D, D_patch)]
if stage == "pretrain":
    losses = PretrainLosses(G, D, cameras, PretrainLossConfig(**given))
    phases = pretrain_phases(losses, *optimizers[:2])
else:
    perceptual = build_perceptual(PerceptualConfig(channel_divisor=32), None)
    cfg = ImitateLossConfig(**given, patch_adversarial=lazy)
    losses = ImitationLosses(G, D, D_patch, perceptual, cameras, cfg, 16)
    phases = imitate_phases(losses, *optimizers)
cfg = LoopConfig(total_kimg=0.016, batch=8, microbatch=4, tick_kimg=0.016)
list(train(phases, load, G, copy.deepcopy(G), Accelerator(cpu=True), cfg, EmaConfig()))
expected = [
    ["torch.float32", count_values(phase.name, phase.module)]
    for step in range(2) for phase in phases if step % phase.interval == 0
]
if rank == 0:
    open(f"{folder}/found.json", "w").write(json.dumps({"sent": sent, "expected": expected}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "imitate"])
def test_two_processes_send_what_is_counted(tmp_path: Path, tiny_config, stage):
    command = [sys.executable, "-c", PROGRAM]
    arguments = [str(tmp_path), tiny_config.model_dump_json(), stage]
    ranks = [subprocess.Popen([*command, str(rank), *arguments]) for rank in (0, 1)]
    try:
        assert [each.wait(timeout=120) for each in ranks] == [0, 0]
    finally:
        for each in ranks:
            each.kill()
    found = json.loads((tmp_path / "found.json").read_text())
    smallest = min(numel for _, numel in found["expected"])
    gradients = [each for each in found["sent"] if each[1] >= smallest]
    assert gradients == found["expected"]
    rest = sum(numel for _, numel in found["sent"]) - sum(numel for _, numel in gradients)
    assert rest < smallest / 10  # statistics and means
