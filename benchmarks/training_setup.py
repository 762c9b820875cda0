"""Networks and phases of both training stages with random images: what benchmarks train."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import nn

from mimic3d.cameras import orbit_cameras
from mimic3d.config import Config
from mimic3d.data.dataset import Batch
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.precision import Precision, choose_dtype, set_precision
from mimic3d.rendering.backend import RenderBackend
from mimic3d.synthetic.scene import SYNTHETIC_SCENE
from mimic3d.training.imitate_losses import ImitateLossConfig, ImitationLosses, imitate_phases
from mimic3d.training.phases import OptimizerConfig, Phase, build_optimizer
from mimic3d.training.pretrain_losses import (
    CameraLabels,
    PretrainLossConfig,
    PretrainLosses,
    pretrain_phases,
)

Stage = Literal["pretrain", "imitate"]
NUM_LABELS = 64
G_LR, D_LR = 0.0025, 0.002
MIN_PATCH = 16  # pixels


class Sizes(Config):
    """Sizes of the networks; the defaults are those of FFHQ at 512 px."""

    generator: GeneratorConfig = GeneratorConfig()
    """The generator."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """Both discriminators."""
    perceptual_divisor: PositiveInt = 1
    """Divisor of the channels of the perceptual network."""
    density_points: PositiveInt = 1000
    """Points of the density loss."""

    @property
    def patch_size(self) -> int:
        """An eighth of the image."""
        return max(MIN_PATCH, self.generator.image_resolution // 8)


TINY = Sizes(
    generator=GeneratorConfig.model_validate(
        {
            "image_resolution": 16, "neural_rendering_resolution": 8, "plane_resolution": 8,
            "plane_channels": 4, "feature_channels": 4, "z_dim": 8, "w_dim": 8,
            "backbone": {"channel_base": 64, "channel_max": 8}, "decoder": {"hidden_channels": 8},
            "superresolution": {"channels": 4},
            "rendering": {"depth_resolution": 6, "depth_resolution_importance": 6},
        }
    ),
    discriminator=DiscriminatorConfig(channel_base=64, channel_max=8),
    perceptual_divisor=32, density_points=20,
)  # fmt: skip
"""Networks that train in milliseconds."""


@dataclass(frozen=True)
class TrainingSetup:
    """Networks of a stage, its phases, and images to train with."""

    stage: Stage
    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    phases: list[Phase]
    load: Callable[[int, int], Batch]

    @property
    def G(self) -> Generator:  # noqa: N802
        """The generator."""
        network = self.networks["G"]
        assert isinstance(network, Generator)
        return network


def build_setup(
    stage: Stage, sizes: Sizes, device: torch.device, backend: RenderBackend,
    precision: Precision = "auto", load: Callable[[int, int], Batch] | None = None,
) -> TrainingSetup:  # fmt: skip
    """Fresh networks; images are noise, unless `load` brings others."""
    torch.manual_seed(0)
    resolution, scene = sizes.generator.image_resolution, SYNTHETIC_SCENE
    generator = sizes.generator.model_copy(update={"detail": stage == "imitate"})
    G = Generator(generator, scene)
    D = DualDiscriminator(sizes.discriminator, resolution)
    networks: dict[str, nn.Module] = {"G": G, "D": D, "G_ema": copy.deepcopy(G)}
    if stage == "imitate":
        networks["D_patch"] = PatchDiscriminator(sizes.discriminator, sizes.patch_size)
    for name, network in networks.items():
        network.to(device)
        if name != "G_ema":
            set_precision(network, choose_dtype(precision, device))
    networks["G_ema"].eval().requires_grad_(False)
    for network in (G, networks["G_ema"]):
        assert isinstance(network, Generator)
        network.backend = backend
    yaw = torch.linspace(-0.4, 0.4, NUM_LABELS)
    labels = orbit_cameras(yaw, yaw / 4, scene).labels().to(device)
    cameras = CameraLabels(labels, torch.ones(NUM_LABELS, device=device))
    noise = torch.rand(NUM_LABELS, 3, resolution, resolution, device=device) * 2 - 1

    def load_noise(start: int, num: int) -> Batch:
        first = start % (NUM_LABELS - num)
        return Batch(noise[first : first + num], labels[first : first + num])

    optimizers: dict[str, torch.optim.Optimizer] = {}
    for name, lr in (("G", G_LR), ("D", D_LR), ("D_patch", D_LR)):
        if name in networks:
            lazy = 4 if name == "G" else 16
            optimizers[name] = build_optimizer(networks[name], OptimizerConfig(lr=lr), lazy)
    density = DensityConfig(num_points=sizes.density_points)
    phases = _phases(stage, sizes, networks, optimizers, cameras, density, device)
    return TrainingSetup(stage, networks, optimizers, phases, load or load_noise)


def _phases(
    stage: Stage, sizes: Sizes, networks: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer], cameras: CameraLabels, density: DensityConfig,
    device: torch.device,
) -> list[Phase]:  # fmt: skip
    G, D = networks["G"], networks["D"]
    assert isinstance(G, Generator)
    assert isinstance(D, DualDiscriminator)
    if stage == "pretrain":
        losses = PretrainLosses(G, D, cameras, PretrainLossConfig(density=density))
        return pretrain_phases(losses, optimizers["G"], optimizers["D"])
    D_patch = networks["D_patch"]
    assert isinstance(D_patch, PatchDiscriminator)
    perceptual = build_perceptual(
        PerceptualConfig(channel_divisor=sizes.perceptual_divisor), Path()
    ).to(device)  # fmt: skip
    cfg = ImitateLossConfig(density=density)
    imitation = ImitationLosses(G, D, D_patch, perceptual, cameras, cfg, sizes.patch_size)
    return imitate_phases(imitation, *(optimizers[name] for name in ("G", "D", "D_patch")))
