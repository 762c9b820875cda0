"""A frozen curve: 12 steps of `pretrain` and `imitate` at toy sizes, in float64.

A change that moves it by more than rounding changes what is trained, and says so in its commit.
Another order of sums moves the last steps by 3e-7, a wrong gain by percents.
"""

import copy
import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import AdversarialConfig
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.training.ema import EmaConfig
from mimic3d.training.imitate_losses import ImitateLossConfig, ImitationLosses, imitate_phases
from mimic3d.training.loop import LoopConfig, train
from mimic3d.training.phases import OptimizerConfig, build_optimizer
from mimic3d.training.pretrain_losses import (
    CameraLabels,
    PretrainLossConfig,
    PretrainLosses,
    pretrain_phases,
)
from mimic3d.training.schedules import BlurConfig, SwappingConfig

FROZEN = Path(__file__).with_name("loss_curve.json")
SIZES = DiscriminatorConfig(channel_base=64, channel_max=8)
LOSSES = {
    "adversarial": AdversarialConfig(r1_interval=4),
    "density": DensityConfig(num_points=20),
    "swapping": SwappingConfig(fade_kimg=0.1),
    "blur": BlurConfig(initial_sigma_px=2, fade_kimg=0.05),
}
LOOP = LoopConfig(total_kimg=0.096, batch=8, microbatch=4, tick_kimg=0.008, snapshot_ticks=100)
PLANES = 32  # so that planes of all kinds of layers occur


def curve(stage: str, cfg: GeneratorConfig) -> list[dict[str, float]]:
    """Statistics of every step."""
    torch.manual_seed(0)
    sizes = {"detail": stage == "imitate", "plane_resolution": PLANES}
    G = Generator(cfg.model_copy(update=sizes), Scene())
    D, D_patch = DualDiscriminator(SIZES, 16), PatchDiscriminator(SIZES, 16)
    adams = [build_optimizer(network, OptimizerConfig(), 4) for network in (G, D, D_patch)]
    labels = orbit_cameras(torch.linspace(-0.4, 0.4, 9), torch.zeros(9), Scene()).labels().double()
    images = torch.rand(96, 3, 16, 16) * 2 - 1

    def load(start: int, num: int) -> Batch:
        indices = torch.arange(start, start + num) % 96
        return Batch(images[indices], labels[indices % 9])

    table = CameraLabels(labels, torch.ones(9))
    if stage == "pretrain":
        losses = PretrainLosses(G, D, table, PretrainLossConfig(**LOSSES))
        phases = pretrain_phases(losses, *adams[:2])
    else:
        perceptual = build_perceptual(PerceptualConfig(channel_divisor=32), Path()).double()
        given = ImitateLossConfig(**LOSSES, patch_adversarial=LOSSES["adversarial"])
        losses = ImitationLosses(G, D, D_patch, perceptual, table, given, 16)
        phases = imitate_phases(losses, *adams)
    accelerator = Accelerator(cpu=True)
    ticks = train(phases, load, G, copy.deepcopy(G), accelerator, LOOP, EmaConfig())
    return [tick.stats for tick in ticks]


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "imitate"])
def test_losses_of_the_first_steps_are_frozen(double, tiny_config, stage):
    frozen, now = json.loads(FROZEN.read_text())[stage], curve(stage, tiny_config)
    assert len(now) == len(frozen) == 12
    for step, (expected, actual) in enumerate(zip(frozen, now, strict=True)):
        assert actual.keys() == expected.keys()
        for name, value in actual.items():
            assert value == pytest.approx(expected[name], rel=1e-5, abs=1e-7), (step, name)
