"""Pictures of a finished sweep."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # MLflow brings it

from pipeline.sweep.asha import Mode
from pipeline.sweep.console import ranking, short_names
from pipeline.sweep.importance import position
from pipeline.sweep.ledger import Trial
from pipeline.sweep.plan import Plan
from pipeline.sweep.space import Choice

WIDTH, HEIGHT = 1.9, 4.2
"""Inches, per axis."""
TICKS = 5


def draw_parallel(plan: Plan, trials: Sequence[Trial], path: Path) -> None:
    """A line per trial across one axis per searched parameter and, at the right, the metric.

    Good trials are dark and on top; those that were stopped early are dotted.
    """
    keys = plan.searched
    ranked = ranking(plan, trials)
    scores = [trial.history.score for trial in ranked]
    ends = range_of_scores(scores, plan.mode)
    figure = Figure(figsize=(WIDTH * (len(keys) + 2), HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    colors = matplotlib.colormaps["viridis"]
    for place, trial in reversed(list(enumerate(ranked))):
        heights = [position(plan.domains[key], trial.values[key]) for key in keys]
        heights.append(_height(trial.history.score, *ends))
        is_whole = trial.history.rung == plan.num_rungs - 1
        axes.plot(
            heights,
            color=colors(0.9 * place / max(1, len(ranked) - 1)),
            linestyle="-" if is_whole else ":",
            linewidth=3.0 if place == 0 else 1.2,
        )
    for at, key in enumerate(keys):
        _label(axes, at, *_ticks(plan, key))
    _label(axes, len(keys), *_score_ticks(ends, scores, plan.mode))
    axes.set_xticks(range(len(keys) + 1), [*short_names(keys), f"{plan.metric} ({plan.mode})"])
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(keys) + 0.6)
    axes.spines[:].set_visible(False)
    axes.set_title(
        f"{len(ranked)} trials; dark is better, thick is best, dotted was stopped early",
        fontsize=10,
    )
    figure.savefig(path, dpi=130)


def range_of_scores(scores: list[float], mode: Mode) -> tuple[float, float]:
    """From the best score to the worst that is no outlier (Tukey's fence).

    A trial that went astray would otherwise push all others together.
    """
    lower, upper = np.quantile(scores, [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    kept = [each for each in scores if lower - reach <= each <= upper + reach]
    return (min(scores), max(kept)) if mode == "min" else (min(kept), max(scores))


def draw_importance(table: pd.DataFrame, path: Path) -> None:
    """Bars of the estimated importance."""
    figure = Figure(figsize=(6, 1.2 + 0.4 * len(table)), layout="constrained")
    axes = figure.add_subplot()
    rows = table[::-1]
    bars = axes.barh(rows["parameter"], rows["importance"])
    axes.bar_label(bars, [_direction(value) for value in rows["rank_correlation"]], padding=4)
    axes.set_xlim(0, 1.45)
    axes.set_xticks(np.linspace(0, 1, TICKS))
    fit = float(table["r2_out_of_bag"].iloc[0])
    axes.set_title(f"share of what a random forest explains (out-of-bag R2 {fit:.2f})", fontsize=10)
    figure.savefig(path, dpi=130)


def _height(score: float, low: float, high: float) -> float:
    return min(max((score - low) / ((high - low) or 1), 0.0), 1.0)


def _score_ticks(
    ends: tuple[float, float], scores: list[float], mode: Mode
) -> tuple[list[float], list[str]]:
    values = np.linspace(*ends, TICKS) if ends[0] < ends[1] else [ends[0]]
    labels = [f"{value:.4g}" for value in values]
    if min(scores) < ends[0] or max(scores) > ends[1]:
        labels[-1 if mode == "min" else 0] += " or worse"
    return [_height(value, *ends) for value in values], labels


def _direction(correlation: float) -> str:
    if math.isnan(correlation):
        return ""
    return f"larger is {'better' if correlation > 0 else 'worse'} (rho {correlation:+.2f})"


def _ticks(plan: Plan, key: str) -> tuple[list[float], list[str]]:
    domain = plan.domains[key]
    if isinstance(domain, Choice):
        return [position(domain, value) for value in domain.values], list(map(str, domain.values))
    space = np.geomspace if domain.is_log else np.linspace
    values = [domain.snap(float(value)) for value in space(domain.low, domain.high, TICKS)]
    return [position(domain, value) for value in values], [f"{value:.3g}" for value in values]


def _label(axes: Axes, at: int, heights: list[float], labels: list[str]) -> None:
    axes.axvline(at, color="0.7", linewidth=1, zorder=0)
    for height, label in zip(heights, labels, strict=True):
        axes.annotate(
            label,
            (at, height),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )
