"""Results of an evaluation: all numbers, their table, plots and the content of the report."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mimic3d.evaluation.distribution.distances import Distances
from mimic3d.evaluation.distribution.metrics import DISTANCES
from mimic3d.evaluation.report.content import EvaluationReport, ReportPicture
from mimic3d.evaluation.report.plots import (
    Plot,
    plot_consistency,
    plot_history,
    plot_samples,
)
from mimic3d.evaluation.sampling import BRANCHES
from mimic3d.evaluation.views.summary import named_means
from mimic3d.evaluation.views.table import METRICS
from mimic3d.metrics.protocol import ConsistencyProtocol, Protocol, protocol_hash
from mimic3d.networks.snapshot import SnapshotMeta

COMMANDS = """dvc repro evaluate
python -m tools.compare reports/evaluate ../another-checkout/reports/evaluate"""
SHOWN = r"3d/(fd|fid|kid|swd$|(precision|recall)(?!.*(_3d|_independent|_samples)))"
"""Pattern of the distances that the terminal shows."""
HEADLINES = (
    r"(2d|3d|floor)/(fid|kid|fd_(lite0|random_conv|probe)|swd)"
    r"|(2d|3d|ceiling)/(warp_psnr_at_[\d.]+|flow_residual|nfs)"
)
"""Pattern of the numbers that DVC compares; the table has all."""
CHARTED = ("fid", "fd_lite0", "fd_random_conv", "swd")
"""Distances that are drawn over samples per ray; the first one that was measured."""
VIEWS = "consistency"
"""The part of the protocol that multi-view scores were taken by."""


@dataclass(frozen=True)
class EvaluationResult:
    """All numbers of an evaluation, and the protocol they were measured by."""

    distances: Distances
    samples: pd.DataFrame
    """Multi-view scores, a row per branch, metric and object."""
    summary: pd.DataFrame
    """Means of the scores with intervals."""
    protocol: dict[str, Any]
    """Protocol records by part."""
    meta: SnapshotMeta
    dataset: str
    snapshot: str
    notices: list[str] = field(default_factory=list)
    """Sentences for the user that came up while pictures were drawn."""

    @property
    def metrics(self) -> dict[str, float]:
        """All numbers by name; none where nothing could be scored."""
        return self.distances.values | named_means(self.summary)

    @property
    def headlines(self) -> dict[str, float]:
        """Numbers that stand for the evaluation in a list of experiments."""
        chosen = re.compile(HEADLINES)
        return {name: value for name, value in self.metrics.items() if chosen.fullmatch(name)}

    @property
    def hashes(self) -> dict[str, str]:
        """Hashes of the protocol's parts: only numbers with equal ones compare."""
        return {part: record["hash"] for part, record in self.protocol.items() if "hash" in record}

    def table(self) -> pd.DataFrame:
        """A row per number: name, value, low, high, num (identities) and the protocol's hash."""
        distances = self.distances
        nan = math.nan
        rows = []
        for name, value in distances.values.items():
            interval = distances.intervals.get(name)
            low, high = (interval.low, interval.high) if interval else (nan, nan)
            rows.append((name, value, low, high, nan, self.hashes[distances.parts[name]]))
        for row in self.summary.to_dict("records"):
            name = f"{row['branch']}/{row['metric']}"
            numbers = row["mean"], row["low"], row["high"], row["num"]
            rows.append((name, *numbers, self.hashes[VIEWS]))
        columns = ["name", "value", "low", "high", "num", "protocol"]
        return pd.DataFrame(rows, columns=pd.Index(columns))


def record_evaluation(
    meta: SnapshotMeta, distances: Distances, views: ConsistencyProtocol
) -> dict[str, Any]:
    """Protocol of the whole evaluation, with a hash per part, and its snapshot."""
    chosen = "the last of its run"
    if meta.selection:
        best = meta.selection
        chosen = f"lowest {best.metric} = {best.value:.6g} of its run, on {best.images}"
    return {
        "snapshot": {
            "stage": meta.stage,
            "nimg": meta.nimg,
            "chosen": chosen,
            "dataset_fingerprint": meta.dataset_fingerprint,
        },
        **{part: hashed(record) for part, record in distances.protocols.items()},
        VIEWS: hashed(views),
    }


def hashed(record: Protocol | ConsistencyProtocol) -> dict[str, Any]:
    """A protocol and its hash."""
    return record.model_dump(mode="json") | {"hash": protocol_hash(record)}


def draw_plots(root: Path, result: EvaluationResult) -> tuple[Plot, ...]:
    """Plots of a distance over images of training and over samples per ray, agreement over yaw."""
    values = result.distances.values
    metric = next(name for name in CHARTED if f"3d/{name}" in values)
    own = next(iter(result.distances.protocols.values())).samples_per_ray
    return (
        plot_history(_history(root, result.snapshot), "fd_random_conv"),
        plot_samples(values, metric, own),
        plot_consistency(result.summary, "warp_psnr", "dB"),
    )


def _history(root: Path, snapshot: str) -> pd.DataFrame:
    """Distances that were measured while the snapshot was trained, over real images of both stages.

    Empty for a snapshot from elsewhere. Other real images and latents than the report's, so that it
    has no floor in common with it.
    """
    columns = ["nimg", "branch", "value"]
    parts = [pd.DataFrame(columns=pd.Index(columns))]
    start = 0
    for stage in ("pretrain", "imitate") if snapshot.startswith("runs/") else ():
        path = root / "reports" / stage / "monitor.csv"
        measured = pd.read_csv(path) if path.is_file() else pd.DataFrame()
        if len(measured) == 0:
            continue
        for branch in BRANCHES:
            name = f"val/{branch}/fd_random_conv"
            if name in measured:
                nimg, value = measured["nimg"] + start, measured[name]
                parts.append(pd.DataFrame({"nimg": nimg, "branch": branch, "value": value}))
        start += int(measured["nimg"].to_numpy().max())
    return pd.concat([part for part in parts if len(part)] or parts).dropna()


def report_content(
    result: EvaluationResult, plots: tuple[Plot, ...], pictures: list[ReportPicture]
) -> EvaluationReport:
    """The content of the report."""
    table, meta = result.table(), result.meta
    return EvaluationReport(
        facts={
            "snapshot": f"{result.snapshot} of stage {meta.stage}",
            "trained on": f"{meta.nimg:,} real images in its stage",
            "chosen": result.protocol["snapshot"]["chosen"],
            "dataset": f"{result.dataset}, fingerprint {meta.dataset_fingerprint[:12]}",
            "image side": f"{meta.generator.image_resolution} pixels",
        },
        distances=table.iloc[: len(result.distances.values)],
        scores=result.summary,
        distance_infos=DISTANCES,
        view_infos=tuple(METRICS.values()),
        plots=tuple(plot for plot in plots if len(plot.table)),
        pictures=tuple(pictures),
        protocol=result.protocol,
        commands=COMMANDS,
        notices=tuple([*result.distances.notices, *result.notices]),
    )


def summary_table(result: EvaluationResult) -> str:
    """Distances beside floor and untrained (small is good), scores beside their ceiling."""
    distances, columns = result.distances.values, ("2d", "3d", "untrained/3d", "floor")
    head = (*columns, "3d / 2d")
    lines = [f"{'distance':28}" + "".join(f"{column:>14}" for column in head)]
    for metric in [name.partition("/")[2] for name in distances if re.match(SHOWN, name)]:
        cells = [distances.get(f"{column}/{metric}") for column in columns]
        lines.append(f"{metric:28}" + "".join(map(_cell, [*cells, _ratio(metric, *cells[:2])])))
    columns = ("2d", "3d", "ceiling")
    lines += ["", f"{'agreement of views':28}" + "".join(f"{column:>14}" for column in columns)]
    means = named_means(result.summary)
    for metric in dict.fromkeys(result.summary["metric"]):
        cells = [means.get(f"{column}/{metric}") for column in columns]
        lines.append(f"{metric:28}" + "".join(map(_cell, cells)))
    lines += ["", "all numbers, intervals, meanings, pictures: reports/evaluate/report.html"]
    return "\n".join(lines + [f"note: {each}" for each in result.notices])


def _ratio(metric: str, two: float | None, three: float | None) -> float | None:
    """Distance of the 3D branch over that of the 2D branch, which imitation brings to 1.

    None for metrics that are no distances, or may be negative.
    """
    is_distance = metric.startswith(("fd_", "fid", "swd"))
    return three / two if is_distance and two and three is not None else None


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.4g'):>14}"
