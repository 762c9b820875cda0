"""The plots of an evaluation: as tables that DVC draws, as SVG files, and within the report."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mimic3d.atomic import atomic_file
from mimic3d.html.chart import Chart, Line, chart_file

NAMES = {"2d": "2D branch", "3d": "3D branch"}


@dataclass(frozen=True)
class Plot:
    """A value over x, per branch."""

    name: str
    """Stem of the names of its files."""
    title: str
    x: str
    """Column of the table."""
    x_title: str
    y_title: str
    table: pd.DataFrame
    """Columns x, branch and value, and low and high where values have intervals."""
    has_log_x: bool
    reference: str
    """The branch that others are held against, floor or ceiling."""


def plot_history(table: pd.DataFrame, metric: str) -> Plot:
    """A distance in the course of training, from a table of nimg, branch and value."""
    title = f"{metric} in the course of training (lower is better)"
    return Plot("distance_by_nimg", title, "nimg", "real images", metric, table, False, "floor")


def plot_samples(values: Mapping[str, float], metric: str, own_samples: int) -> Plot:
    """A distance over samples per ray, from values such as 3d/fid_at_24_samples.

    The value without a suffix was taken with `own_samples`, the generator's own.
    """
    rows, floors = [], []
    pattern = re.compile(rf"(2d|3d|floor)/{re.escape(metric)}(?:_at_(\d+)_samples)?")
    for name, value in values.items():
        match = pattern.fullmatch(name)
        if match and match[1] == "floor":
            floors.append(value)
        elif match:
            rows.append((int(match[2] or own_samples), match[1], value))
    levels = sorted({samples for samples, _, _ in rows})
    rows += [(samples, "floor", floor) for floor in floors[:1] for samples in levels]
    table = pd.DataFrame(rows, columns=pd.Index(["samples", "branch", "value"]))
    title = f"{metric} by samples per ray (lower is better)"
    return Plot(
        "distance_by_samples", title, "samples", "samples per ray", metric, table, True, "floor"
    )


def plot_consistency(summary: pd.DataFrame, metric: str, unit: str) -> Plot:
    """A multi-view score over the yaw between views, from the summary's rows metric_at_yaw."""
    rows = []
    for row in summary.to_dict("records"):
        name, _, yaw = str(row["metric"]).partition("_at_")
        if name == metric and yaw:
            rows.append((float(yaw), row["branch"], row["mean"], row["low"], row["high"]))
    columns = pd.Index(["yaw_rad", "branch", "value", "low", "high"])
    table = pd.DataFrame(rows, columns=columns)
    title = f"{metric} by yaw between two views"
    y_title = f"{metric}, {unit}" if unit else metric
    return Plot(
        "consistency_by_yaw", title, "yaw_rad", "yaw, rad", y_title, table, False, "ceiling"
    )


def chart_of(plot: Plot) -> Chart:
    """The plot as lines, intervals as bars."""
    lines = []
    for branch, some in plot.table.groupby("branch", sort=False):
        rows = some.sort_values(plot.x).reindex(columns=[plot.x, "value", "low", "high"])
        x, y, low, high = rows.astype(float).to_numpy().T.tolist()
        name = NAMES.get(str(branch), str(branch))
        lines.append(Line(name, x, y, low, high, branch == plot.reference))
    return Chart(plot.title, plot.x_title, plot.y_title, tuple(lines), plot.has_log_x)


def wide_table(plot: Plot) -> pd.DataFrame:
    """A row per x and a column per branch and reference; NaN where nothing was measured."""
    columns = ["2d", "3d", plot.reference]
    table = plot.table.pivot_table(values="value", index=plot.x, columns="branch", sort=True)
    return table.reindex(columns=columns).reset_index()


def save_plots(plots: Sequence[Plot], folder: Path) -> None:
    """Writes for each plot a .csv for `dvc plots` and an .svg to look at.

    What was not measured is NaN in the text: DVC draws an empty cell as 0.
    """
    for plot in plots:
        with atomic_file(folder / f"{plot.name}.csv") as tmp:
            wide_table(plot).to_csv(tmp, index=False, float_format="%.6g", na_rep="NaN")
        with atomic_file(folder / f"{plot.name}.svg") as tmp:
            tmp.write_text(chart_file(chart_of(plot)))
