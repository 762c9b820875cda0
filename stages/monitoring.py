"""Measurements while a stage trains, and the choice of the snapshot to publish."""

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from mimic3d.data.dataset import ImageDataset
from mimic3d.data.reference import Validation, split_validation
from mimic3d.data.schema import Manifest
from mimic3d.evaluation.monitor import Monitor, MonitorConfig
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta
from mimic3d.training.loop import LoopConfig, Tick
from mimic3d.training.selection import (
    Row,
    best_row,
    best_snapshot_path,
    prune_superseded,
    save_if_best,
)
from mimic3d.training.state import oldest_state
from pipeline.project import ProjectPaths
from stages.dataset import dataset_folder
from stages.processes import build_process_group

BEST = "best"  # below the folder of a run's states


def check_monitor(
    cfg: MonitorConfig,
    loop: LoopConfig,
    manifest: Manifest,
    branches: tuple[Branch, ...],
    stage: str,
) -> None:
    """Reject a monitor that cannot be measured.

    Raises:
        ValueError: too few images are held out, or the choice is by a metric never measured.
    """
    key = f"{stage}.monitor"
    if cfg.every_kimg:
        split_validation(manifest, cfg.num_images, key)
    if cfg.select == "last":
        return
    if not cfg.select.startswith(tuple(f"val/{branch}/" for branch in branches)):
        raise ValueError(
            f"{key}.select must be of the branch that {stage} trains, {' or '.join(branches)}, is "
            f"{cfg.select}; choose another"
        )
    if loop.total_kimg == 0:
        raise ValueError(
            f"{key}.select must be last in a run of 0 kimg, which measures nothing, is "
            f"{cfg.select}; change it or {stage}.loop.total_kimg"
        )


@dataclass(frozen=True)
class SnapshotSelector:
    """Measures G_ema every so often, and saves the best snapshots where one is to be chosen."""

    cfg: MonitorConfig
    monitor: Monitor | None
    """Measurements of the stage; None where nothing is measured."""

    @property
    def images(self) -> str:
        """The real images that are compared with, for people."""
        return "none" if self.monitor is None else self.monitor.real.description

    def is_due(self, tick: Tick, rows: list[Row]) -> bool:
        """True if a measurement is due, given those before."""
        every, last = self.cfg.every_kimg * 1000, rows[-1]["nimg"] if rows else 0
        if self.monitor is None:
            return False
        return tick.is_last or tick.nimg // every > last // every

    def measure(self, nimg: int, G_ema: nn.Module) -> Row:
        """Measurements after `nimg` images; every process must call it, all get the same."""
        assert self.monitor is not None
        assert isinstance(G_ema, Generator)
        return {"nimg": nimg, **self.monitor.measure(G_ema)}

    def save_if_best(
        self, folder: Path, rows: list[Row], meta: SnapshotMeta, networks: dict[str, nn.Module]
    ) -> None:
        """Save these networks, which the last row measured, if they are the best so far."""
        metric = self.cfg.select
        if metric != "last":
            save_if_best(folder / BEST, rows, metric, self.images, meta, networks)

    def prune(self, folder: Path, rows: list[Row]) -> None:
        """Remove what no state of the run needs any more; to be called when one was written."""
        if self.cfg.select != "last":
            prune_superseded(folder / BEST, rows, self.cfg.select, oldest_state(folder))

    def selected(self, folder: Path, rows: list[Row]) -> Path | None:
        """The snapshot to publish; None is the end of the run.

        Raises:
            ValueError: somebody deleted it.
        """
        if self.cfg.select == "last":
            return None
        best = best_row(rows, self.cfg.select)
        assert best is not None  # `check_monitor` and the last tick see to it
        path = best_snapshot_path(folder / BEST, int(best["nimg"]))
        if not path.is_dir():
            raise ValueError(
                f"the best snapshot of a run must be in {path}, which is gone; delete {folder} to "
                f"train again"
            )
        return path


def build_selector(
    cfg: MonitorConfig, root: Path, dataset: ImageDataset, accelerator: Accelerator, stage: str
) -> SnapshotSelector:
    """The selector that a stage asks for; all processes share the work."""
    if cfg.every_kimg == 0:
        return SnapshotSelector(cfg, None)
    manifest, device = dataset.manifest, accelerator.device
    group = build_process_group(accelerator)
    cache = ProjectPaths(root).cache
    real = Validation(dataset_folder(root), cache, cfg.num_images, f"{stage}.monitor")
    average_label = torch.tensor([manifest.average_label], device=device)
    pitch_rad = manifest.poses["pitch_mean_rad"]
    labels = dataset.labels.to(device)
    return SnapshotSelector(cfg, Monitor(cfg, real, labels, average_label, pitch_rad, group))
