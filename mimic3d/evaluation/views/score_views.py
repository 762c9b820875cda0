"""All multi-view scores of a generator, beside those that true renderings reach."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.atomic import atomic_file
from mimic3d.data.schema import Manifest
from mimic3d.evaluation.distribution.features import Advance
from mimic3d.evaluation.sampling import BRANCHES, SamplingConfig
from mimic3d.evaluation.share import Share
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.networks import load_instruments
from mimic3d.evaluation.views.objects import generated_sitters, planes_of, true_sitter
from mimic3d.evaluation.views.probe import code_stamp
from mimic3d.evaluation.views.record import record_protocol
from mimic3d.evaluation.views.scorer import COLUMNS, Examiner
from mimic3d.evaluation.views.shape import frontal_densities, published_flatness
from mimic3d.metrics.protocol import ConsistencyProtocol, protocol_hash
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator


@dataclass(frozen=True)
class ViewScores:
    """Scores of every object, and how they were measured."""

    samples: pd.DataFrame
    """A row per score: branch (2d, 3d, ceiling, floor), metric, identity, value; NaN where nothing
    could be compared."""
    protocol: ConsistencyProtocol


def count_objects(manifest: Manifest, cfg: ConsistencyConfig) -> int:
    """What all processes together will tell `advance`."""
    walks = 1 + ("flatness_3dgp" in cfg.scores) + (manifest.subjects is not None)
    return walks * cfg.num_identities


@torch.inference_mode()
def score_views(
    G: Generator, average_label: Float[Tensor, "1 25"], manifest: Manifest, resolution: int,
    cfg: ConsistencyConfig, sampling: SamplingConfig, share: Share, cache: Path, advance: Advance,
) -> ViewScores:  # fmt: skip
    """Scores of both branches and, where the dataset is synthetic, of true renderings.

    The camera that conditions is fixed to the average one, so that only the viewpoint moves. Every
    process of the share must call it; all get the whole table. What does not depend on the
    generator, the probe and the ceilings, is kept in the folder `cache`.

    Raises:
        ValueError: a weight file that is asked for cannot be had.
    """
    advance(0, "preparing what looks at views")
    device = average_label.device
    tools = load_instruments(manifest, resolution, cfg, cache, share, device)
    protocol = record_protocol(G.config, manifest, resolution, cfg, sampling, tools.sha256)
    examiner = Examiner(manifest, cfg, tools, sampling.seed)
    tables = [
        examiner.walk(
            lambda identity: generated_sitters(G, average_label, identity, resolution, sampling),
            share, advance, "comparing views",
        )
    ]  # fmt: skip
    if "flatness_3dgp" in cfg.scores:
        for branch in BRANCHES:
            tables.append(_published(G, average_label, branch, examiner, sampling, share, advance))
    if manifest.subjects is not None:
        tables.append(_ceilings(examiner, resolution, device, protocol, share, cache, advance))
    return ViewScores(pd.concat(tables, ignore_index=True), protocol)


def _published(
    G: Generator, average_label: Float[Tensor, "1 25"], branch: Branch, examiner: Examiner,
    sampling: SamplingConfig, share: Share, advance: Advance,
) -> pd.DataFrame:  # fmt: skip
    """The published non-flatness score, which needs the densities of all objects together."""
    cfg, pitch = examiner.cfg, examiner.pitch_rad
    mine = []
    for (identity,) in share.batches(cfg.num_identities, 1):
        _, planes = planes_of(G, average_label, identity, sampling)
        densities = frontal_densities(G, planes, branch, pitch, cfg.flatness_3dgp)
        mine.append((identity, densities))
        advance(int(branch == "3d"), "looking for flat shapes")
    values = published_flatness(share.gather(mine), G.scene, cfg.flatness_3dgp)
    rows = [(branch, "nfs_3dgp", identity, value) for identity, value in enumerate(values)]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def _ceilings(
    examiner: Examiner, resolution: int, device: torch.device, protocol: ConsistencyProtocol,
    share: Share, cache: Path, advance: Advance,
) -> pd.DataFrame:  # fmt: skip
    """The scores of held-out subjects, photographed as the generated objects are; kept in a file.

    One process looks whether the file is there and tells the others.
    """
    key = hashlib.sha256(f"{protocol_hash(protocol)} {code_stamp()}".encode()).hexdigest()[:16]
    path = cache / f"ceiling-{key}.parquet"
    num = examiner.cfg.num_identities
    known = share.gather_objects(
        [pd.read_parquet(path) if path.is_file() else None] if share.rank == 0 else []
    )[0]
    if known is not None:
        advance(sum(1 for _ in share.batches(num, 1)), "true views are known")
        return known
    subjects, scene = examiner.manifest.subjects, examiner.manifest.scene
    assert subjects is not None
    table = examiner.walk(
        lambda identity: {"ceiling": true_sitter(subjects, scene, identity, resolution, device)},
        share, advance, "comparing true views",
    )  # fmt: skip
    if share.rank == 0:
        with atomic_file(path) as draft:
            table.to_parquet(draft, index=False)
    return table
