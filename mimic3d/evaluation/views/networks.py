"""Networks that look at views: the probe, and optional ones that the user brings."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from mimic3d.data.schema import Manifest
from mimic3d.evaluation.share import Share
from mimic3d.evaluation.views.config import ConsistencyConfig, LpipsConfig
from mimic3d.evaluation.views.probe import obtain_probe
from mimic3d.losses.perceptual import Perceptual, PerceptualConfig, build_perceptual
from mimic3d.metrics.faces import load_face_network
from mimic3d.metrics.probe import Probe
from mimic3d.weights import Digest, fetch

KEY = "evaluate.consistency"
NOT_SYNTHETIC = "the dataset is not synthetic, so that nothing true is known of its objects"


@dataclass(frozen=True)
class Instruments:
    """The networks there are; None where one is not wanted, or cannot be."""

    probe: Probe | None
    lpips: Perceptual | None
    arcface: torch.jit.ScriptModule | None
    deep3d: torch.jit.ScriptModule | None
    sha256: dict[str, str]
    """Of the weight files, by what they are for."""


def load_instruments(
    manifest: Manifest, resolution: int, cfg: ConsistencyConfig, cache: Path, share: Share,
    device: torch.device,
) -> Instruments:  # fmt: skip
    """All networks that the config asks for, on a device; the probe only of a synthetic dataset.

    Raises:
        ValueError: a weight file cannot be had, or is none.
    """
    probe = None
    if "probe" in cfg.scores and manifest.subjects is not None:
        probe = obtain_probe(manifest, manifest.subjects, resolution, cfg.probe, cache, share)
        probe = probe.to(device)
    faces = {
        name: load_face_network(network, cache, device, f"{KEY}.faces.{name}")
        for name, network in _face_networks(cfg).items()
    }
    lpips = None
    if cfg.lpips.vgg16_weights is not None:
        lpips = build_perceptual(_perceptual(cfg.lpips), cache, f"{KEY}.lpips").to(device)
    digests = {name: _sha256(fetch(*where, cache, key)) for name, key, where in _files(cfg)}
    return Instruments(probe, lpips, faces.get("arcface"), faces.get("deep3d"), digests)


def check_views(cfg: ConsistencyConfig, cache: Path) -> None:
    """Looks at weight files that are named by path; downloads nothing.

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
    """Groups of scores that are asked for and cannot be taken, and why."""
    if manifest.subjects is not None or "probe" not in cfg.scores:
        return {}
    return {"probe": why_untrue(manifest)}


def why_untrue(manifest: Manifest) -> str:
    """Why a dataset without `subjects` has no true renderings."""
    if manifest.source == "synthetic":
        return "the dataset does not say which subjects it shows; prepare it again"
    return NOT_SYNTHETIC


def _face_networks(cfg: ConsistencyConfig):
    networks = {"arcface": cfg.faces.arcface, "deep3d": cfg.faces.deep3d}
    return {name: one for name, one in networks.items() if one.weights is not None}


def _files(cfg: ConsistencyConfig) -> list[tuple[str, str, tuple[str, Digest | None]]]:
    """Name, parameter, and source with SHA-256 of every weight file that is named."""
    found: list[tuple[str, str, tuple[str | None, Digest | None]]] = [
        (name, f"{KEY}.faces.{name}.weights", (network.weights, network.sha256))
        for name, network in _face_networks(cfg).items()
    ]
    found += [
        ("vgg16", f"{KEY}.lpips.vgg16_weights", (cfg.lpips.vgg16_weights, cfg.lpips.vgg16_sha256)),
        ("lpips", f"{KEY}.lpips.lpips_weights", (cfg.lpips.lpips_weights, cfg.lpips.lpips_sha256)),
    ]
    return [
        (name, key, (source, sha256)) for name, key, (source, sha256) in found if source is not None
    ]


def _perceptual(cfg: LpipsConfig) -> PerceptualConfig:
    return PerceptualConfig(network="lpips_vgg", **cfg.model_dump())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
