"""Traffic between the processes of a training: gradients per phase, as the loop reduces them.

A process sends the gradients of the phase's network, once per step of that
phase, in one float32 tensor (mimic3d/training/loop.py). Parameters that a loss does not reach have
no gradient and are not sent.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from mimic3d.cameras import Scene
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generator
from stages.imitate import ImitateConfig, patch_size
from stages.pretrain import PretrainConfig
from tools.preset import resolve

BYTES = 4  # float32
FLAGS = 1  # beside the gradients: how many losses of the step were not finite
UNREACHED = {
    "G": r"superresolution\..*noise_strength",
    "G_density": r"superresolution\.",
    "D_r1": r"trunk\.epilogue\.out\.bias",
    "D_patch_r1": r"trunk\.epilogue\.out\.bias",
}
"""Parameters that the loss of a phase does not reach: 2D views are rendered without noise, density
needs no super-resolution, and an added constant has no slope for R1 to punish."""


@dataclass(frozen=True)
class Traffic:
    """Traffic of one phase: values that one step reduces, and iterations between two steps."""

    phase: str
    num_values: int
    interval: int

    @property
    def bytes_per_iteration(self) -> float:
        """Bytes that are reduced per iteration, on average."""
        return self.num_values * BYTES / self.interval


def count_values(phase: str, network: nn.Module) -> int:
    """Values that one step of a phase reduces: its gradients, and one flag."""
    named = network.named_parameters()
    unreached = re.compile(UNREACHED.get(phase, "$^"))
    return FLAGS + sum(each.numel() for name, each in named if not unreached.match(name))


def traffic_of_preset(path: Path) -> dict[str, list[Traffic]]:
    """Phases of each training stage with the networks of a preset."""
    configs = resolve(path.read_text())
    pretrain, imitate = configs["pretrain"], configs["imitate"]
    assert isinstance(pretrain, PretrainConfig)
    assert isinstance(imitate, ImitateConfig)
    resolution, legacy = pretrain.generator.image_resolution, pretrain.generator.legacy
    detailed = pretrain.generator.model_copy(update={"detail": True})
    size = patch_size(imitate, resolution)
    with torch.device("meta"):
        D = DualDiscriminator(pretrain.discriminator, resolution, legacy=legacy)
        D_patch = PatchDiscriminator(imitate.patch_discriminator, size, legacy=legacy)
        coarse, fine = (Generator(cfg, Scene()) for cfg in (pretrain.generator, detailed))
    first = _game(coarse, D, pretrain.density.interval, pretrain.adversarial.r1_interval)
    second = _game(fine, D, imitate.density.interval, imitate.adversarial.r1_interval)
    lazy = imitate.patch_adversarial.r1_interval
    second += [_phase("D_patch", D_patch, 1), _phase("D_patch_r1", D_patch, lazy)]
    return {"pretrain": first, "imitate": second}


def _game(G: nn.Module, D: nn.Module, density_interval: int, r1_interval: int) -> list[Traffic]:
    return [
        _phase("G", G, 1),
        _phase("G_density", G, density_interval),
        _phase("D", D, 1),
        _phase("D_r1", D, r1_interval),
    ]


def _phase(name: str, network: nn.Module, interval: int) -> Traffic:
    return Traffic(name, count_values(name, network), interval)
