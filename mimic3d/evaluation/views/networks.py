"""The networks that score views: the probe, and optional ones that the user brings."""

from pathlib import Path

import torch

from mimic3d.content_hash import content_hash
from mimic3d.data.schema import Manifest
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.views.config import ConsistencyConfig, LpipsConfig
from mimic3d.evaluation.views.metric import ScoringNetworks
from mimic3d.evaluation.views.probe import ProbeMetric, obtain_probe
from mimic3d.evaluation.views.scores import FacesMetric
from mimic3d.evaluation.views.table import settings_of
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.metrics.faces import FaceNetworkConfig, load_face_network
from mimic3d.weights import Sha256, fetch

KEY = "evaluate.consistency"
NOT_SYNTHETIC = "the dataset is not synthetic, so that nothing true is known of its objects"


def load_scoring_networks(ctx: EvaluationContext, cfg: ConsistencyConfig) -> ScoringNetworks:
    """All networks that the config asks for, on a device; the probe only of a synthetic dataset.

    Raises:
        ValueError: a weight file cannot be had, or is none.
    """
    probe, subjects, device = None, ctx.manifest.subjects, ctx.device
    if ProbeMetric.name in cfg.scores and subjects is not None:
        probe = obtain_probe(ctx, subjects, settings_of(cfg, ProbeMetric)).to(device)
    faces = {
        name: load_face_network(network, ctx.cache, device, f"{KEY}.faces.{name}")
        for name, network in _face_networks(cfg).items()
    }
    lpips = None
    if cfg.lpips.vgg16_weights is not None:
        lpips = build_perceptual(_perceptual(cfg.lpips), ctx.cache, f"{KEY}.lpips").to(device)
    hashes = {name: content_hash(fetch(*where, ctx.cache, key)) for name, key, where in _files(cfg)}
    return ScoringNetworks(probe, lpips, faces.get("arcface"), faces.get("deep3d"), hashes)


def check_views(cfg: ConsistencyConfig, cache: Path) -> None:
    """Checks of the weight files that are named by path; nothing is downloaded.

    Raises:
        ValueError: a file is missing, is another one, or is no network.
    """
    for _, key, (source, sha256) in _files(cfg):
        if "://" not in source:
            fetch(source, sha256, cache, key)
    for name, network in _face_networks(cfg).items():
        if "://" not in str(network.weights):
            load_face_network(network, cache, torch.device("cpu"), f"{KEY}.faces.{name}")
    files = (cfg.lpips.vgg16_weights, cfg.lpips.lpips_weights)
    if all(source is not None and "://" not in source for source in files):
        build_perceptual(_perceptual(cfg.lpips), cache, f"{KEY}.lpips")


def why_skipped(manifest: Manifest, cfg: ConsistencyConfig) -> dict[str, str]:
    """Groups of scores that are asked for and cannot be taken, with the reasons."""
    if manifest.subjects is not None or "probe" not in cfg.scores:
        return {}
    return {"probe": why_untrue(manifest)}


def why_untrue(manifest: Manifest) -> str:
    """Reason that a dataset without `subjects` has no true renderings."""
    if manifest.source == "synthetic":
        return "the dataset does not say which subjects it shows; prepare it again"
    return NOT_SYNTHETIC


def _face_networks(cfg: ConsistencyConfig) -> dict[str, FaceNetworkConfig]:
    faces = settings_of(cfg, FacesMetric)
    networks = {"arcface": faces.arcface, "deep3d": faces.deep3d}
    return {name: network for name, network in networks.items() if network.weights is not None}


def _files(cfg: ConsistencyConfig) -> list[tuple[str, str, tuple[str, Sha256 | None]]]:
    """Name, parameter, and source with SHA-256 of every weight file that is named."""
    lpips = cfg.lpips
    named: list[tuple[str, str, tuple[str | None, Sha256 | None]]] = [
        (name, f"{KEY}.faces.{name}.weights", (network.weights, network.sha256))
        for name, network in _face_networks(cfg).items()
    ]
    named += [
        ("vgg16", f"{KEY}.lpips.vgg16_weights", (lpips.vgg16_weights, lpips.vgg16_sha256)),
        ("lpips", f"{KEY}.lpips.lpips_weights", (lpips.lpips_weights, lpips.lpips_sha256)),
    ]
    return [
        (name, key, (source, sha256)) for name, key, (source, sha256) in named if source is not None
    ]


def _perceptual(cfg: LpipsConfig) -> PerceptualConfig:
    return PerceptualConfig(network="lpips_vgg", **cfg.model_dump())
