"""Stage 2: pretrain's snapshot and dataset -> runs/imitate/: the 3D branch imitates the 2D one."""

import copy
from pathlib import Path

import torch
from pydantic import Field

from mimic3d.content_hash import content_hash
from mimic3d.data.dataset import ImageDataset
from mimic3d.data.schema import load_manifest
from mimic3d.evaluation.monitor import MonitorConfig
from mimic3d.losses.perceptual import build_perceptual
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.precision import choose_dtype, set_precision
from mimic3d.networks.snapshot import META, load_meta
from mimic3d.training.ema import EmaConfig
from mimic3d.training.imitate_losses import ImitateLossConfig, ImitationLosses, imitate_phases
from mimic3d.training.loop import LoopConfig, check_batch
from mimic3d.training.phases import OptimizerConfig, build_optimizer
from mimic3d.training.pretrain_losses import CameraLabels
from pipeline.project import ProjectPaths
from pipeline.stage import main
from pipeline.tracking.tracker import Tracker
from pipeline.training_state import TrainingIdentity
from stages.dataset import check_opacity, dataset_folder
from stages.init_from import load_initial_weights
from stages.monitoring import build_selector, check_monitor
from stages.processes import build_accelerator
from stages.sample_grid import draw_orbits
from stages.training import TrainingRun, build_augment, run_training
from stages.training_states import LOOKS_ONLY as LOOKS_ONLY
from stages.training_states import identify_training

MIN_PATCH = 16  # pixels; VGG16 halves a patch four times


class ImitateConfig(ImitateLossConfig):
    """Parameters of stage 2; the defaults are the authors' FFHQ-512 settings."""

    loop: LoopConfig = LoopConfig()
    """Length and rhythm."""
    monitor: MonitorConfig = MonitorConfig()
    """Measurements in the course of it, and choice of the snapshot to publish."""
    neural_rendering_resolution: int | None = Field(default=None, ge=8)
    """Side of the volume rendering that the 2D branch super-resolves from now on, in pixels; null
    keeps that of stage 1. A larger one sharpens the planes that the 3D branch renders (EG3D, too,
    goes on at twice the resolution)."""
    patch_scale: float = Field(0.125, gt=0, le=1)
    """Side of the patches that the 3D branch renders, as a share of the image's side."""
    patch_discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """Sizes of the patch discriminator."""
    g_optimizer: OptimizerConfig = OptimizerConfig(lr=0.0025)
    """Optimiser of the generator."""
    d_optimizer: OptimizerConfig = OptimizerConfig(lr=0.002)
    """Optimiser of each discriminator."""
    ema: EmaConfig = EmaConfig(rampup=None)
    """The running average of the generator; it starts from that of stage 1."""


CONFIG = ImitateConfig


def check(cfg: ImitateConfig, root: Path) -> None:
    """Reject what does not fit the dataset or stage 1, before any compute.

    Raises:
        ValueError: no dataset, no snapshot, snapshot of another dataset, or an impossible patch.
    """
    manifest = load_manifest(dataset_folder(root))
    meta = load_meta(_parent(root))
    for discriminator in (meta.discriminator, cfg.patch_discriminator):
        check_batch(cfg.loop, 1, discriminator.mbstd_group_size, "imitate.loop")
    patch_size(cfg, meta.generator.image_resolution)
    generator_config(cfg, meta.generator)
    check_monitor(cfg.monitor, cfg.loop, manifest, ("2d", "3d"), "imitate")
    check_opacity(cfg.opacity, manifest, "imitate")
    if meta.dataset_fingerprint != manifest.fingerprint:
        raise ValueError(
            f"runs/pretrain/snapshot must come from the dataset {manifest.fingerprint[:12]}, comes "
            f"from {meta.dataset_fingerprint[:12]}; run pretrain again"
        )


def generator_config(cfg: ImitateConfig, parent: GeneratorConfig) -> GeneratorConfig:
    """Sizes of the generator: those of stage 1 with detail planes.

    Raises:
        ValueError: imitate.neural_rendering_resolution is no power of two, or too large.
    """
    side = cfg.neural_rendering_resolution or parent.neural_rendering_resolution
    if side & (side - 1) or side > parent.image_resolution:
        raise ValueError(
            f"imitate.neural_rendering_resolution must be a power of two up to image_resolution = "
            f"{parent.image_resolution}, is {side}; change it, or null keeps that of stage 1"
        )
    return parent.model_copy(update={"detail": True, "neural_rendering_resolution": side})


def patch_size(cfg: ImitateConfig, image_resolution: int) -> int:
    """Side of a patch in pixels.

    Raises:
        ValueError: it is no power of two or too small.
    """
    side = cfg.patch_scale * image_resolution
    if side != int(side) or int(side) & (int(side) - 1) or side < MIN_PATCH:
        raise ValueError(
            f"imitate.patch_scale x image_resolution must be a power of two, at least {MIN_PATCH}, "
            f"is {cfg.patch_scale:g} x {image_resolution} = {side:g}; change imitate.patch_scale"
        )
    return int(side)


def count_parts(cfg: ImitateConfig) -> int:
    """Microbatches of a step, which processes share evenly."""
    return cfg.loop.batch // cfg.loop.microbatch


def identify(cfg: ImitateConfig, root: Path) -> TrainingIdentity:
    """Identity of a training started now: parameters, dataset, snapshot of stage 1 and code."""
    manifest = load_manifest(dataset_folder(root))
    return identify_training(
        "imitate", cfg, manifest.fingerprint, content_hash(_parent(root) / META)
    )


def run(cfg: ImitateConfig, root: Path, tracker: Tracker) -> None:
    """Train stage 2, resuming what an interrupted run left."""
    accelerator = build_accelerator()
    check(cfg, root)
    group = cfg.patch_discriminator.mbstd_group_size
    check_batch(cfg.loop, accelerator.num_processes, group, "imitate.loop")
    dataset = ImageDataset(dataset_folder(root), "train", ProjectPaths(root).cache)
    device = accelerator.device
    parent = load_meta(_parent(root))
    generator = generator_config(cfg, parent.generator)
    size = patch_size(cfg, generator.image_resolution)
    meta = parent.model_copy(
        update={
            "stage": "imitate",
            "nimg": 0,
            "selection": None,
            "continued_from": (),
            "generator": generator,
            "patch_discriminator": cfg.patch_discriminator,
            "patch_size": size,
        }
    )

    torch.manual_seed(cfg.loop.seed)
    legacy = generator.legacy
    G = Generator(generator, meta.scene)
    D = DualDiscriminator(meta.discriminator, generator.image_resolution, legacy=legacy)
    D_patch = PatchDiscriminator(cfg.patch_discriminator, size, legacy=legacy)
    G_ema = copy.deepcopy(G)
    augment = build_augment(cfg.augment)
    networks = {"G": G, "D": D, "D_patch": D_patch, "G_ema": G_ema, **augment}
    load_initial_weights(networks, _parent(root))
    for network in networks.values():
        network.to(device)
    G_ema.eval().requires_grad_(False)
    for network in (G, D, D_patch):
        set_precision(network, choose_dtype(cfg.loop.precision, device))
    perceptual = build_perceptual(cfg.imitation.perceptual, ProjectPaths(root).weights).to(device)
    g_optimizer = build_optimizer(G, cfg.g_optimizer, cfg.density.interval)
    d_optimizer = build_optimizer(D, cfg.d_optimizer, cfg.adversarial.r1_interval)
    d_patch_optimizer = build_optimizer(D_patch, cfg.d_optimizer, cfg.patch_adversarial.r1_interval)
    labels = CameraLabels(dataset.labels.to(device), dataset.weights.to(device))
    losses = ImitationLosses(G, D, D_patch, perceptual, labels, cfg, size, augment.get("augment"))
    training = TrainingRun(
        "imitate", root, tracker, accelerator, dataset, cfg.loop, cfg.ema,
        phases=imitate_phases(losses, g_optimizer, d_optimizer, d_patch_optimizer),
        networks=networks,
        optimizers={"G": g_optimizer, "D": d_optimizer, "D_patch": d_patch_optimizer},
        selector=build_selector(cfg.monitor, root, dataset, accelerator, "imitate"),
        meta=meta,
        draw_samples=lambda network: draw_orbits(network, meta),
    )  # fmt: skip
    run_training(training, identify(cfg, root))


def _parent(root: Path) -> Path:
    return ProjectPaths(root).snapshot("pretrain")


if __name__ == "__main__":
    main("imitate")
