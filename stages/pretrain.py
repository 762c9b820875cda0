"""Stage 1: dataset -> runs/pretrain/: a generator whose 2D branch makes images."""

import copy
from pathlib import Path

import torch
from pydantic import model_validator

from mimic3d.content_hash import content_hash
from mimic3d.data.dataset import ImageDataset
from mimic3d.data.schema import load_manifest
from mimic3d.evaluation.monitor import MonitorConfig
from mimic3d.networks.discriminator import DiscriminatorConfig, DualDiscriminator
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.precision import choose_dtype, set_precision
from mimic3d.networks.snapshot import META, SnapshotMeta
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import LoopConfig, check_batch
from mimic3d.training.phases import OptimizerConfig, build_optimizer
from mimic3d.training.pretrain_losses import (
    CameraLabels,
    PretrainLossConfig,
    PretrainLosses,
    pretrain_phases,
)
from pipeline.project import ProjectPaths
from pipeline.stage import main
from pipeline.tracking.tracker import Tracker
from pipeline.training_state import TrainingIdentity
from stages.dataset import check_opacity, dataset_folder
from stages.init_from import check_initial_weights, load_initial_weights
from stages.monitoring import build_selector, check_monitor
from stages.processes import build_accelerator
from stages.sample_grid import draw_orbits
from stages.training import TrainingRun, build_augment, run_training
from stages.training_states import LOOKS_ONLY as LOOKS_ONLY
from stages.training_states import identify_training


class PretrainConfig(PretrainLossConfig):
    """Parameters of stage 1; the defaults are the authors' FFHQ-512 settings."""

    loop: LoopConfig = LoopConfig()
    """Length and rhythm."""
    monitor: MonitorConfig = MonitorConfig()
    """Measurements in the course of it, and choice of the snapshot to publish."""
    init_from: str | None = None
    """Folder of a snapshot below data/init/ whose G, G_ema and D training starts from, such as a
    converted checkpoint; null starts from random weights."""
    generator: GeneratorConfig = GeneratorConfig()
    """Sizes of the generator; every later stage takes them from the snapshot."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """Sizes of the dual discriminator."""
    g_optimizer: OptimizerConfig = OptimizerConfig(lr=0.0025)
    """Optimiser of the generator."""
    d_optimizer: OptimizerConfig = OptimizerConfig(lr=0.002)
    """Optimiser of the discriminator."""
    ema: EmaConfig = EmaConfig()
    """The running average of the generator."""

    @model_validator(mode="after")
    def _only_coarse_planes(self) -> "PretrainConfig":
        if self.generator.detail:
            raise ValueError("generator.detail must be false: detail planes are born in `imitate`")
        return self


CONFIG = PretrainConfig


def check(cfg: PretrainConfig, root: Path) -> None:
    """Reject what does not fit the dataset, before any compute.

    Raises:
        ValueError: no dataset, or another image resolution than the generator's.
    """
    check_alone(cfg, root)
    manifest = load_manifest(dataset_folder(root))
    if cfg.generator.image_resolution != manifest.resolution:
        raise ValueError(
            f"pretrain.generator.image_resolution must be the dataset's = {manifest.resolution}, "
            f"is {cfg.generator.image_resolution}; change it or prepare.resolution"
        )
    check_monitor(cfg.monitor, cfg.loop, manifest, ("2d",), "pretrain")
    check_opacity(cfg.opacity, manifest, "pretrain")


def check_alone(cfg: PretrainConfig, root: Path) -> None:
    """Reject parameters that are wrong whatever the dataset is."""
    check_batch(cfg.loop, 1, cfg.discriminator.mbstd_group_size, "pretrain.loop")
    if cfg.init_from is not None:
        check_initial_weights(root, cfg.init_from, cfg.generator, cfg.discriminator)


def count_parts(cfg: PretrainConfig) -> int:
    """Microbatches of a step, which processes share evenly."""
    return cfg.loop.batch // cfg.loop.microbatch


def identify(cfg: PretrainConfig, root: Path) -> TrainingIdentity:
    """Identity of a training started now: parameters, dataset, initial weights and code."""
    inputs = [load_manifest(dataset_folder(root)).fingerprint]
    if cfg.init_from is not None:
        inputs.append(content_hash(root / cfg.init_from / META))
    return identify_training("pretrain", cfg, *inputs)


def run(cfg: PretrainConfig, root: Path, tracker: Tracker) -> None:
    """Train stage 1, resuming what an interrupted run left."""
    accelerator = build_accelerator()
    check(cfg, root)
    group = cfg.discriminator.mbstd_group_size
    check_batch(cfg.loop, accelerator.num_processes, group, "pretrain.loop")
    dataset = ImageDataset(dataset_folder(root), "train", ProjectPaths(root).cache)
    manifest, device = dataset.manifest, accelerator.device

    torch.manual_seed(cfg.loop.seed)
    G = Generator(cfg.generator, manifest.scene)
    D = DualDiscriminator(
        cfg.discriminator, cfg.generator.image_resolution, legacy=cfg.generator.legacy
    )
    D.set_label_statistics(torch.tensor(manifest.average_label), torch.tensor(manifest.label_std))
    G_ema = copy.deepcopy(G)
    augment = build_augment(cfg.augment)
    networks = {"G": G, "D": D, "G_ema": G_ema, **augment}
    if cfg.init_from is not None:
        load_initial_weights(networks, root / cfg.init_from)
    for network in networks.values():
        network.to(device)
    G_ema.eval().requires_grad_(False)
    for network in (G, D):
        set_precision(network, choose_dtype(cfg.loop.precision, device))
    g_optimizer = build_optimizer(G, cfg.g_optimizer, cfg.density.interval)
    d_optimizer = build_optimizer(D, cfg.d_optimizer, cfg.adversarial.r1_interval)
    labels = CameraLabels(dataset.labels.to(device), dataset.weights.to(device))
    losses = PretrainLosses(G, D, labels, cfg, augment.get("augment"))
    meta = SnapshotMeta(
        stage="pretrain",
        nimg=0,
        dataset_fingerprint=manifest.fingerprint,
        average_label=manifest.average_label,
        scene=manifest.scene,
        generator=cfg.generator,
        discriminator=cfg.discriminator,
    )
    training = TrainingRun(
        "pretrain", root, tracker, accelerator, dataset, cfg.loop, cfg.ema,
        phases=pretrain_phases(losses, g_optimizer, d_optimizer),
        networks=networks,
        optimizers={"G": g_optimizer, "D": d_optimizer},
        selector=build_selector(cfg.monitor, root, dataset, accelerator, "pretrain"),
        meta=meta,
        draw_samples=lambda generator: draw_orbits(generator, meta),
    )  # fmt: skip
    run_training(training, identify(cfg, root))


if __name__ == "__main__":
    main("pretrain")
