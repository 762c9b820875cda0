"""Snapshot and dataset -> reports/evaluate/ (metrics, protocol), runs/evaluate/ (gallery)."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d import gallery
from mimic3d.cameras import Cameras, cameras_from_labels
from mimic3d.config import Config
from mimic3d.data.reference import Reals, split_reals
from mimic3d.data.schema import Manifest, load_manifest
from mimic3d.evaluation.distances import DistributionConfig, measure_distances
from mimic3d.evaluation.instruments import check_views
from mimic3d.evaluation.sampling import BRANCHES, SamplingConfig, draw_latents
from mimic3d.evaluation.settings import ConsistencyConfig
from mimic3d.evaluation.share import ALONE
from mimic3d.evaluation.views import count_objects, score_views
from mimic3d.gallery import GalleryConfig
from mimic3d.metrics.protocol import ConsistencyProtocol, Protocol, protocol_hash
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, load_meta, read_snapshot
from pipeline.tracking import Tracker
from stages.findings import Findings, Pictures, summary_table, track_findings, write_findings
from stages.params import dataset_folder, main

SNAPSHOT = "runs/imitate/snapshot"


class EvaluateConfig(Config):
    """The section `evaluate` of params.yaml."""

    sampling: SamplingConfig = SamplingConfig()
    """How objects are drawn from the generator."""
    distribution: DistributionConfig = DistributionConfig()
    """Generated against real images."""
    consistency: ConsistencyConfig = ConsistencyConfig()
    """Views of one object against each other."""
    gallery: GalleryConfig = GalleryConfig()
    """Pictures."""
    video: bool = True
    """Also writes the orbit as a video; needs the extra `export`."""


CONFIG = EvaluateConfig


def check(cfg: EvaluateConfig, root: Path) -> None:
    """Cheap checks of parameters and inputs.

    Raises:
        ValueError: inputs are missing, there are too few real images, or video cannot be written.
    """
    if not load_meta(root / SNAPSHOT).generator.detail:
        raise ValueError(f"{SNAPSHOT} must have detail planes, has none; run imitate again")
    check_distribution(cfg.distribution)
    split_reals(load_manifest(dataset_folder(root)), cfg.distribution.num_images, seed=0)
    check_views(cfg.consistency, root / "cache")
    if cfg.video:
        gallery.load_video_writer()


@torch.inference_mode()
def run(cfg: EvaluateConfig, root: Path, tracker: Tracker) -> None:
    """Measure both branches of the snapshot and of an untrained generator, and draw the former."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    snapshot = read_snapshot(root / SNAPSHOT)
    G = snapshot.build_generator().to(device)
    folder, cache = dataset_folder(root), root / "cache"
    data = Reals(folder, cache, cfg.distribution.num_images, cfg.sampling.seed)
    resolution = cfg.sampling.resolution or G.config.image_resolution
    progress = Progress(cfg, data.manifest, tracker)

    pitch_rad = data.manifest.poses["pitch_mean_rad"]
    label = torch.tensor([snapshot.meta.average_label], device=device)
    distances = measure_distances(
        G, data, resolution, cfg.distribution, cfg.sampling, progress.advance
    )
    views = score_views(
        G, label, data.manifest, resolution, cfg.consistency, cfg.sampling, ALONE, cache,
        progress.advance,
    )  # fmt: skip
    findings = Findings(
        distances,
        by_baseline(views.samples),
        record_protocol(snapshot.meta, data.manifest, views.protocol, resolution, cfg),
        draw(G, data.train.labels.to(device), label, pitch_rad, cfg),
    )
    write_findings(root, findings)
    track_findings(root, findings, tracker, snapshot.meta.nimg)
    print(summary_table(findings))


class Progress:
    """How many of the measurements are done."""

    def __init__(self, cfg: EvaluateConfig, manifest: Manifest, tracker: Tracker):
        num_objects = count_objects(manifest, cfg.consistency)
        self._total = 4 * cfg.distribution.num_images + num_objects
        self._done, self._tracker = 0, tracker

    def advance(self, amount: int, text: str) -> None:
        """Some more are done."""
        self._done += amount
        self._tracker.progress(self._done, self._total, text)


def by_baseline(samples: pd.DataFrame) -> pd.DataFrame:
    """The scores of pairs of views, a row per object, branch and baseline."""
    names = [metric.partition("_at_") for metric in samples["metric"]]
    pairs = samples.assign(
        metric=[name for name, _, _ in names], baseline=[float(yaw or "nan") for *_, yaw in names]
    ).dropna(subset=["baseline"])
    keys = ["branch", "baseline", "identity"]
    return pairs.pivot(index=keys, columns="metric", values="value").reset_index()


def record_protocol(
    meta: SnapshotMeta, manifest: Manifest, views: ConsistencyProtocol, resolution: int,
    cfg: EvaluateConfig,
) -> dict[str, Any]:  # fmt: skip
    """How everything was measured, with a hash per part: only equal hashes compare."""
    rendering, psi = meta.generator.rendering, cfg.sampling.truncation_psi
    samples = rendering.depth_resolution + rendering.depth_resolution_importance
    sizes = {manifest.resolution, meta.generator.image_resolution, resolution}
    distribution = [
        Protocol(
            branch=branch, dataset_fingerprint=manifest.fingerprint,
            reference="train with mirrored copies" if manifest.mirror else "train",
            num_real=cfg.distribution.num_images, num_fake=cfg.distribution.num_images,
            cameras="conditioned", truncation_psi=psi, resolution=resolution,
            resize="none" if len(sizes) == 1 else "bilinear antialiased",
            feature_network=RandomConvFeatures.name, samples_per_ray=samples,
            patches=cfg.distribution.patches,
        )
        for branch in BRANCHES
    ]  # fmt: skip
    return {
        "snapshot": {"nimg": meta.nimg, "dataset_fingerprint": meta.dataset_fingerprint},
        **{record.branch: describe(record) for record in distribution},
        "consistency": describe(views),
    }


def describe(record: Protocol | ConsistencyProtocol) -> dict[str, Any]:
    """A protocol and its hash."""
    return record.model_dump(mode="json") | {"hash": protocol_hash(record)}


def draw(
    G: Generator, labels: Float[Tensor, "m 25"], average_label: Float[Tensor, "1 25"],
    pitch_rad: float, cfg: EvaluateConfig,
) -> Pictures:  # fmt: skip
    """A grid of samples, and the orbit around the first one: 2D, 3D and depth each."""
    look, sampling = cfg.gallery, cfg.sampling
    z, rows = draw_latents(0, look.num_samples, G.config.z_dim, len(labels), sampling.seed)
    z, c = z.to(labels.device), labels[rows.to(labels.device)]
    ws = G.mapping(z, c, sampling.truncation_psi)
    samples = gallery.compare_branches(G, ws, cameras_from_labels(c), sampling.batch)

    def orbit(path: Cameras) -> gallery.Comparison:
        one = G.mapping(z[:1], average_label, sampling.truncation_psi)
        return gallery.compare_orbit(G, one, path.to(labels.device), sampling.batch)

    strip = orbit(gallery.strip_path(look, pitch_rad, G.scene)).stacked()
    return Pictures(
        gallery.image_grid(samples.side_by_side(), look.columns),
        gallery.image_grid(strip, look.strip_views),
        orbit(gallery.orbit_path(look, pitch_rad, G.scene)).side_by_side() if cfg.video else None,
        look.frames_per_second,
    )


if __name__ == "__main__":
    main("evaluate")
