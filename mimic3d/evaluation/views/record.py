"""The protocol record of multi-view scores, down to those that could not be taken."""

from typing import Any

from pydantic import JsonValue

from mimic3d.data.schema import Manifest
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.metric import ViewMetric
from mimic3d.evaluation.views.networks import why_skipped, why_untrue
from mimic3d.evaluation.views.scores import FacesMetric
from mimic3d.evaluation.views.table import SETTINGS, VIEW_METRICS, settings_of
from mimic3d.metrics.protocol import ConsistencyProtocol
from mimic3d.networks.generator import GeneratorConfig


def record_views(
    generator: GeneratorConfig, manifest: Manifest, resolution: int, cfg: ConsistencyConfig,
    sampling: SamplingConfig, sha256: dict[str, str],
) -> ConsistencyProtocol:  # fmt: skip
    """The protocol of `score_views`; `sha256` is of the weight files that were used."""
    skipped = why_skipped(manifest, cfg)
    taken = [name for name in cfg.scores if name not in skipped]
    ceiling = f"none: {why_untrue(manifest)}"
    if manifest.subjects is not None:
        ceiling = (
            f"true renderings of {cfg.num_identities} identities that no training image shows, "
            f"from the same cameras at the same resolution"
        )
    rendering = generator.rendering
    return ConsistencyProtocol(
        dataset_fingerprint=manifest.fingerprint,
        seed=sampling.seed,
        num_identities=cfg.num_identities,
        scores=tuple(taken),
        skipped=skipped,
        baselines_rad=cfg.baselines_rad,
        pitch_rad=manifest.poses["pitch_mean_rad"],
        cameras="average",
        truncation_psi=sampling.truncation_psi,
        resolution=resolution,
        resize="none" if resolution == generator.image_resolution else "bilinear antialiased",
        kernel="bilinear",
        samples_per_ray=rendering.depth_resolution + rendering.depth_resolution_importance,
        settings=_settings(cfg, taken, set(sha256)),
        networks=sha256,
        ceiling=ceiling,
    )


def _settings(cfg: ConsistencyConfig, taken: list[str], networks: set[str]) -> dict[str, JsonValue]:
    """Parameters of the taken scores; those of weight files stand for themselves as SHA-256."""
    used = {*taken, *(name for metric in _named(taken) for name in metric.uses)}
    settings: dict[str, JsonValue] = {
        metric.name: settings_of(cfg, metric).model_dump(mode="json")
        for metric in _named(used)
        if metric.name in SETTINGS
    }
    faces = settings_of(cfg, FacesMetric)
    for name, network in (("arcface", faces.arcface), ("deep3d", faces.deep3d)):
        if name in networks:
            settings[name] = network.model_dump(mode="json", exclude={"weights", "sha256"})
    return settings


def _named(names: list[str] | set[str]) -> list[type[ViewMetric[Any]]]:
    return [metric for metric in VIEW_METRICS if metric.name in names]
