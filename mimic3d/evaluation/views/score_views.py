"""All multi-view scores of a generator, beside those that true renderings reach."""

from dataclasses import dataclass

import pandas as pd
import torch

from mimic3d.atomic import atomic_file
from mimic3d.content_hash import text_hash
from mimic3d.data.schema import Manifest
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.networks import load_scoring_networks
from mimic3d.evaluation.views.objects import generated_views, true_views
from mimic3d.evaluation.views.probe import code_hash
from mimic3d.evaluation.views.record import record_views
from mimic3d.evaluation.views.scorer import ViewScorer
from mimic3d.metrics.protocol import ConsistencyProtocol, protocol_hash


@dataclass(frozen=True)
class ViewScores:
    """Scores of every object, and the protocol they were measured by."""

    samples: pd.DataFrame
    """A row per score: branch (2d, 3d, ceiling, floor), metric, identity, value; NaN where nothing
    could be compared."""
    protocol: ConsistencyProtocol


def count_objects(manifest: Manifest, cfg: ConsistencyConfig) -> int:
    """Number of objects that all processes together report to `advance`."""
    return (1 + (manifest.subjects is not None)) * cfg.num_identities


@torch.inference_mode()
def score_views(ctx: EvaluationContext, cfg: ConsistencyConfig) -> ViewScores:
    """Scores of both branches and, where the dataset is synthetic, of true renderings.

    The camera that conditions is fixed to the average one, so that only the viewpoint moves. Every
    process of the group must call it; all get the whole table. What does not depend on the
    generator, the probe and the ceilings, is kept in the context's cache.

    Raises:
        ValueError: a weight file that is asked for cannot be had.
    """
    ctx.advance(0, "preparing the networks that score views")
    networks = load_scoring_networks(ctx, cfg)
    protocol = record_views(
        ctx.G.config, ctx.manifest, ctx.resolution, cfg, ctx.sampling, networks.sha256
    )
    scorer = ViewScorer(ctx, cfg, networks)
    tables = [scorer.score_all(lambda identity: generated_views(ctx, identity), "comparing views")]
    if ctx.manifest.subjects is not None:
        tables.append(_ceilings(scorer, protocol))
    return ViewScores(pd.concat(tables, ignore_index=True), protocol)


def _ceilings(scorer: ViewScorer, protocol: ConsistencyProtocol) -> pd.DataFrame:
    """Scores of held-out subjects, rendered as the generated objects are; kept in a file.

    One process checks whether the file is there and tells the others.
    """
    ctx, num = scorer.ctx, scorer.cfg.num_identities
    key = text_hash(f"{protocol_hash(protocol)} {code_hash()}")[:16]
    path = ctx.cache / f"ceiling-{key}.parquet"
    known = ctx.group.gather_objects(
        [pd.read_parquet(path) if path.is_file() else None] if ctx.group.rank == 0 else []
    )[0]
    if known is not None:
        ctx.advance(sum(1 for _ in ctx.group.batches(num, 1)), "true views are known")
        return known
    subjects, scene = ctx.manifest.subjects, ctx.manifest.scene
    assert subjects is not None
    table = scorer.score_all(
        lambda identity: {
            "ceiling": true_views(subjects, scene, identity, ctx.resolution, ctx.device)
        },
        "comparing true views",
    )
    if ctx.group.rank == 0:
        with atomic_file(path) as tmp:
            table.to_parquet(tmp, index=False)
    return table
