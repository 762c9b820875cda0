"""How multi-view scores were measured, down to what could not be."""

from pydantic import JsonValue

from mimic3d.config import Config
from mimic3d.data.schema import Manifest
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig, Group
from mimic3d.evaluation.views.networks import why_skipped, why_untrue
from mimic3d.metrics.protocol import ConsistencyProtocol
from mimic3d.networks.generator import GeneratorConfig


def record_protocol(
    generator: GeneratorConfig, manifest: Manifest, resolution: int, cfg: ConsistencyConfig,
    sampling: SamplingConfig, sha256: dict[str, str],
) -> ConsistencyProtocol:  # fmt: skip
    """The protocol of `score_views`; `sha256` is of the weight files that were used."""
    skipped = why_skipped(manifest, cfg)
    taken: list[Group] = [name for name in cfg.scores if name not in skipped]
    ceiling = f"none: {why_untrue(manifest)}"
    if manifest.subjects is not None:
        ceiling = (
            f"true renderings of {cfg.num_identities} identities that no training image shows, "
            f"from the same cameras at the same resolution"
        )
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
        samples_per_ray=generator.rendering.depth_resolution
        + generator.rendering.depth_resolution_importance,
        settings=_settings(cfg, taken, set(sha256)),
        networks=sha256,
        ceiling=ceiling,
    )


def _settings(
    cfg: ConsistencyConfig, taken: list[Group], networks: set[str]
) -> dict[str, JsonValue]:
    """Parameters of what was taken; those of weight files stand for themselves as SHA-256."""
    groups: dict[Group, Config] = {
        "warp": cfg.warp,
        "flow": cfg.flow,
        "flatness_3dgp": cfg.flatness_3dgp,
        "probe": cfg.probe,
        "refit": cfg.refit,
    }
    found: dict[str, JsonValue] = {
        name: group.model_dump(mode="json")
        for name, group in groups.items()
        if name in taken or (name == "warp" and "flow" in taken)  # its pixels count in both
    }
    for name, network in (("arcface", cfg.faces.arcface), ("deep3d", cfg.faces.deep3d)):
        if name in networks:
            found[name] = network.model_dump(mode="json", exclude={"weights", "sha256"})
    return found
