"""Content of the report of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from PIL import Image

from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.evaluation.report.plots import Plot


@dataclass(frozen=True)
class ReportPicture:
    """A picture with the words below it, and those in its place where it cannot be seen."""

    title: str
    image: Image.Image
    caption: str
    alt: str


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation of one snapshot."""

    facts: Mapping[str, str]
    """Facts of the header, in order: snapshot, images of its training, dataset, commit..."""
    distances: pd.DataFrame
    """Columns name (3d/fid, floor/swd_64, untrained/2d/kid...), value, low and high (NaN where a
    value has no interval)."""
    scores: pd.DataFrame
    """Columns branch (2d, 3d, ceiling), metric (warp_psnr_at_0.2...), mean, low, high, num."""
    distance_infos: Sequence[MetricInfo]
    view_infos: Sequence[MetricInfo]
    plots: tuple[Plot, ...]
    pictures: tuple[ReportPicture, ...]
    protocol: Mapping[str, Any]
    """Protocol records by part; a part that is a mapping with the key `hash` has one."""
    commands: str
    """Commands that give the same again."""
    notices: tuple[str, ...]
    """Sentences that a reader must read first, such as how the snapshot was chosen."""
