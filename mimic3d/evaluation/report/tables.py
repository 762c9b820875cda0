"""The numbers of the report: rows of metrics, columns of branches."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from mimic3d.evaluation.metric_info import MetricInfo, distance_info, view_metric_info
from mimic3d.html.markup import Html, join, table, tag

ARROWS = {"high": "\N{UPWARDS ARROW}", "low": "\N{DOWNWARDS ARROW}", "neither": ""}
WORDS = {"high": "higher is better", "low": "lower is better", "neither": "no direction is better"}
TITLES = {
    "2d": "2D branch", "3d": "3D branch", "untrained/2d": "untrained 2D",
    "untrained/3d": "untrained 3D", "floor": "floor", "ceiling": "ceiling",
}  # fmt: skip
MEASURED = ("2d", "3d")

Cells = dict[tuple[str, str], tuple[float, float, float]]
"""Cells of a table: value, low and high by column and metric."""


def distance_table(distances: pd.DataFrame, infos: Sequence[MetricInfo], is_folded: bool) -> Html:
    """Distances of both branches beside the untrained ones' and the floor.

    Those at other samples per ray than the generator's own are folded away, and are shown by
    `is_folded`.
    """
    cells: Cells = {}
    for row in distances.to_dict("records"):
        who, _, metric = str(row["name"]).rpartition("/")
        if metric.endswith("_samples") == is_folded:
            cells[who, metric] = row["value"], row["low"], row["high"]
    return _table(cells, {metric: distance_info(infos, metric) for _, metric in cells})


def score_table(scores: pd.DataFrame, infos: Sequence[MetricInfo]) -> Html:
    """Multi-view scores of both branches beside the ceiling."""
    cells: Cells = {}
    for row in scores.to_dict("records"):
        key = str(row["branch"]), str(row["metric"])
        cells[key] = row["mean"], row["low"], row["high"]
    return _table(cells, {metric: view_metric_info(infos, metric) for _, metric in cells})


def _table(cells: Cells, infos: Mapping[str, MetricInfo | None]) -> Html:
    columns = [column for column in TITLES if any(column == who for who, _ in cells)]
    head = ["Metric", "", *(TITLES[column] for column in columns), "Meaning"]
    rows = []
    for metric, info in infos.items():
        row = [cells.get((column, metric)) for column in columns]
        better = info.better if info else "neither"
        best = _best(columns, row, better)
        numbers = [_number(cell, index == best) for index, cell in enumerate(row)]
        unit = f" ({info.unit})" if info and info.unit else ""
        arrow = tag("span", ARROWS[better], title=WORDS[better], aria_label=WORDS[better])
        name = join([tag("code", metric), unit])
        rows.append((name, arrow, *numbers, info.meaning if info else ""))
    return tag("div", table(head, rows, "scores"), class_="wide")


def _best(
    columns: Sequence[str], cells: Sequence[tuple[float, float, float] | None], better: str
) -> int | None:
    """The better branch of the two, if both were measured and their intervals do not overlap."""
    measured = {
        index: cell
        for index, (column, cell) in enumerate(zip(columns, cells, strict=True))
        if column in MEASURED and cell is not None and math.isfinite(cell[0])
    }
    if len(measured) < 2 or better == "neither":
        return None
    lesser, greater = sorted(measured, key=lambda index: measured[index][0])
    is_apart = measured[lesser][0] < measured[greater][0]
    if is_apart and not (measured[lesser][2] >= measured[greater][1]):  # NaN: no interval
        return greater if better == "high" else lesser
    return None


def _number(cell: tuple[float, float, float] | None, is_best: bool) -> Html:
    if cell is None or not math.isfinite(cell[0]):
        return tag("span", "\N{EN DASH}")
    value, low, high = cell
    parts = [tag("span", f"{value:.4g}", class_="best" if is_best else "")]
    if math.isfinite(low) and math.isfinite(high):
        parts.append(tag("span", f"{low:.4g} to {high:.4g}", class_="interval"))
    return join(parts)
