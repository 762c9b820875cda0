"""Bar charts of the table: a panel per quantity, a pair of bars per row."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.ablation.design import Design
from experiments.ablation.quantities import QUANTITIES, Quantity
from experiments.ablation.results import Results
from mimic3d.evaluation.sampling import BRANCHES
from mimic3d.metrics.protocol import Branch

COLORS: dict[Branch, str] = {"2d": "0.7", "3d": "tab:blue"}
PANEL = (3.4, 2.6)
"""Width and height of a panel, inches."""
COLUMNS = 3
WIDTH = 0.4
"""Width of a bar; rows are 1 apart."""


def draw_bars(design: Design, results: Results, path: Path) -> None:
    """Draws means with their intervals, and floor or ceiling as a dashed line."""
    metrics = {quantity.metric for quantity, _ in results.measured}
    quantities = [each for each in QUANTITIES if each.metric in metrics]
    num_rows = math.ceil(len(quantities) / COLUMNS)
    figure = Figure(figsize=(PANEL[0] * COLUMNS, PANEL[1] * num_rows), layout="constrained")
    grid = figure.subplots(num_rows, COLUMNS, squeeze=False, sharey=True)
    for axes in grid.flat[len(quantities) :]:
        axes.set_axis_off()
    for axes, quantity in zip(grid.flat, quantities, strict=False):
        _draw(axes, design, results, quantity)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    figure.savefig(path, dpi=130)


def _draw(axes: Axes, design: Design, results: Results, quantity: Quantity) -> None:
    rows = list(design.rows)
    for branch in BRANCHES:
        places, means, errors = [], [], []
        for place, row in enumerate(rows):
            estimate = results.find(row, quantity, branch)
            if estimate is None or not math.isfinite(estimate.interval.mean):
                continue
            mean, low, high = vars(estimate.interval).values()
            places.append(place + (WIDTH / 2 if branch == "3d" else -WIDTH / 2))
            means.append(mean)
            errors.append((mean - low, high - mean) if math.isfinite(low) else (0.0, 0.0))
        if means:
            axes.barh(
                places, means, WIDTH, xerr=np.array(errors).T, color=COLORS[branch],
                label=f"{branch.upper()} branch", error_kw={"elinewidth": 1},
            )  # fmt: skip
    if quantity.metric in results.references:
        axes.axvline(
            results.references[quantity.metric], color="black", linestyle="--", linewidth=1,
            label="floor or ceiling",
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.title for row in design.rows.values()], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    better = "lower" if quantity.better == "low" else "higher"
    axes.set_title(f"{quantity.title} ({better} is better)", fontsize=8)
