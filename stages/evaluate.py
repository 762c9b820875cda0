"""Snapshot and dataset -> reports/evaluate/ (numbers, report) and runs/evaluate/ (pictures)."""

import json
from collections.abc import Callable
from pathlib import Path

import torch

from mimic3d.atomic import atomic_file, atomic_folder
from mimic3d.config import Config
from mimic3d.data.reference import Reals, split_reals
from mimic3d.data.schema import Manifest, load_manifest
from mimic3d.evaluation.context import EvaluationContext, ProcessGroup
from mimic3d.evaluation.distribution.distances import (
    Distances,
    DistributionConfig,
    check_distribution,
    count_distances,
    measure_distances,
)
from mimic3d.evaluation.report.content import ReportPicture
from mimic3d.evaluation.report.page import build_report
from mimic3d.evaluation.report.pictures import PictureContext, draw_report_pictures
from mimic3d.evaluation.report.plots import save_plots
from mimic3d.evaluation.report.results import (
    EvaluationResult,
    draw_plots,
    record_evaluation,
    report_content,
    summary_table,
)
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.networks import check_views
from mimic3d.evaluation.views.probe import ProbeMetric, obtain_probe
from mimic3d.evaluation.views.score_views import count_objects, score_views
from mimic3d.evaluation.views.summary import summarize
from mimic3d.evaluation.views.table import settings_of
from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.mesh import load_marching_cubes
from mimic3d.gallery.video import load_video_writer
from mimic3d.networks.snapshot import load_meta, read_snapshot
from pipeline.project import REPORTS, RESULTS, ProjectPaths
from pipeline.stage import main
from pipeline.tracking.tracker import Tracker
from stages.dataset import dataset_folder
from stages.processes import build_accelerator, build_process_group

REFERENCE_SEED = 0  # of the drawn real images; what training looks at is disjoint from these only


class EvaluateConfig(Config):
    """The section `evaluate` of params.yaml."""

    snapshot: str = "runs/imitate/snapshot"
    """Folder of the snapshot in the project: the one that imitate publishes, or a converted one
    below data/init/."""
    sampling: SamplingConfig = SamplingConfig()
    """Sampling of objects from the generator."""
    distribution: DistributionConfig = DistributionConfig()
    """Comparison of generated with real images."""
    consistency: ConsistencyConfig = ConsistencyConfig()
    """Comparison of views of one object with each other."""
    gallery: GalleryConfig = GalleryConfig()
    """Pictures, videos and meshes."""
    video: bool = True
    """True to write videos too; needs the extra `export`."""


CONFIG = EvaluateConfig


def check(cfg: EvaluateConfig, root: Path) -> None:
    """Cheap checks of parameters and inputs.

    Raises:
        ValueError: inputs are missing, there are too few real images, a weight file is missing, or
            videos or meshes cannot be written.
    """
    folder = (root / cfg.snapshot).absolute()
    if not folder.is_relative_to(root.absolute()) or ".." in folder.parts:
        raise ValueError(
            f"evaluate.snapshot must be a folder of this project, is {cfg.snapshot}; put a "
            f"snapshot from elsewhere below data/init/"
        )
    check_alone(cfg, root)
    if not load_meta(folder).generator.detail:
        raise ValueError(f"{cfg.snapshot} must have detail planes, has none; run imitate again")
    manifest = load_manifest(dataset_folder(root))
    if "probe" in cfg.distribution.networks and manifest.subjects is None:
        raise ValueError(
            f"evaluate.distribution.networks can have probe on a synthetic dataset only, "
            f"{manifest.name} is none; leave it out"
        )
    split_reals(manifest, cfg.distribution.num_images, REFERENCE_SEED)


def check_alone(cfg: EvaluateConfig, root: Path) -> None:
    """Checks of inputs that no earlier stage makes: networks, and writers of videos and meshes."""
    cache = ProjectPaths(root).cache
    check_distribution(cfg.distribution, cache)
    check_views(cfg.consistency, cache)
    if cfg.video:
        load_video_writer()
    if cfg.gallery.num_meshes:
        load_marching_cubes()


@torch.inference_mode()
def run(cfg: EvaluateConfig, root: Path, tracker: Tracker) -> None:
    """Measure both branches of the snapshot beside floors and ceilings, and draw them."""
    accelerator = build_accelerator()
    group, device = build_process_group(accelerator), accelerator.device
    snapshot = read_snapshot(root / cfg.snapshot)
    G, cache = snapshot.build_generator().to(device), ProjectPaths(root).cache
    data = Reals(dataset_folder(root), cache, cfg.distribution.num_images, REFERENCE_SEED)
    manifest, resolution = data.manifest, cfg.sampling.resolution or G.config.image_resolution
    progress = EvaluationProgress(cfg, manifest, tracker, group)
    label = torch.tensor([snapshot.meta.average_label], device=device)
    ctx = EvaluationContext(
        G, label, manifest, resolution, cfg.sampling, group, cache, progress.advance
    )
    distances = _measure_distances(ctx, data, cfg)
    views = score_views(ctx, cfg.consistency)
    if accelerator.is_main_process:
        summary = summarize(views.samples, cfg.consistency.bootstrap)
        protocol = record_evaluation(snapshot.meta, distances, views.protocol)
        result = EvaluationResult(
            distances, views.samples, summary, protocol, snapshot.meta, manifest.name, cfg.snapshot
        )
        pictures = PictureContext(ctx, data.train.labels.to(device), cfg.gallery)
        _publish(
            root,
            result,
            tracker,
            lambda folder: draw_report_pictures(pictures, result, cfg.video, folder),
        )
        progress.finish()
        print(summary_table(result))
    accelerator.wait_for_everyone()


def _publish(
    root: Path,
    result: EvaluationResult,
    tracker: Tracker,
    draw: Callable[[Path], list[ReportPicture]],
) -> None:
    """Write runs/evaluate/ as a whole, then the reports, then tell the tracker.

    `draw` puts pictures into a folder, and returns those that the report shows.
    """
    with atomic_folder(ProjectPaths(root).results("evaluate")) as tmp:
        pictures = draw(tmp)
        result.samples.to_parquet(tmp / "samples.parquet", index=False)
    reports = ProjectPaths(root).reports("evaluate")
    for name, content in (("metrics", result.headlines), ("protocol", result.protocol)):
        with atomic_file(reports / f"{name}.json") as tmp:
            tmp.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    with atomic_file(reports / "table.csv") as tmp:
        result.table().to_csv(tmp, index=False)
    plots = draw_plots(root, result)
    save_plots(plots, reports)
    with atomic_file(reports / "report.html") as tmp:
        tmp.write_text(build_report(report_content(result, plots, pictures)))
    _track(root, result, tracker, pictures)


def _track(
    root: Path, result: EvaluationResult, tracker: Tracker, pictures: list[ReportPicture]
) -> None:
    """Metrics and pictures at the snapshot's nimg, and all files."""
    nimg = result.meta.nimg
    tags = {f"protocol.{part}": digest for part, digest in result.hashes.items()}
    fingerprint = result.meta.dataset_fingerprint
    tracker.set_tags({**tags, "dataset_fingerprint": fingerprint})
    tracker.log_metrics(result.metrics, nimg)
    for picture in pictures:
        tracker.log_image(picture.title.lower().replace(" ", "_"), picture.image, nimg)
    for folder in (REPORTS, RESULTS):
        tracker.log_artifact(root / folder / "evaluate", "evaluate")


def _measure_distances(ctx: EvaluationContext, data: Reals, cfg: EvaluateConfig) -> Distances:
    """Distances by all networks that are asked for; the probe, if it is one, is trained first."""
    probe, subjects = None, data.manifest.subjects
    if "probe" in cfg.distribution.networks and subjects is not None:
        ctx.advance(0, "training the probe")
        probe = obtain_probe(ctx, subjects, settings_of(cfg.consistency, ProbeMetric))
        probe = probe.to(ctx.device)
    return measure_distances(ctx, data, cfg.distribution, probe)


class EvaluationProgress:
    """Number of the measurements that are done."""

    def __init__(
        self, cfg: EvaluateConfig, manifest: Manifest, tracker: Tracker, group: ProcessGroup
    ) -> None:
        num_measured = count_distances(cfg.distribution) + count_objects(manifest, cfg.consistency)
        self._total = num_measured + 1  # the pictures
        self._done, self._tracker, self._num = 0, tracker, group.num

    def advance(self, amount: int, text: str) -> None:
        """Counts some more as done here, and as many by every other process."""
        self._done = min(self._done + amount * self._num, self._total - 1)
        self._tracker.progress(self._done, self._total, text)

    def finish(self) -> None:
        """Counts everything as done."""
        self._tracker.progress(self._total, self._total, "done")


if __name__ == "__main__":
    main("evaluate")
