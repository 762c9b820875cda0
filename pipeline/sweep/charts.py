"""Charts of a finished sweep, as SVG with the same bytes for the same trials."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.sweep.asha import Mode
from pipeline.sweep.console import ranking, short_names
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.space import ChoiceDomain, Domain
from pipeline.sweep.sweep_store import SweepTrial

WIDTH, HEIGHT = 1.9, 4.2
"""Size in inches, per axis."""
NUM_TICKS = 5


def draw_parallel(plan: SweepPlan, trials: Sequence[SweepTrial], path: Path) -> None:
    """A line per trial across one axis per searched parameter and, at the right, the metric.

    Good trials are dark and on top; those that were stopped early are dotted. Optuna's own chart
    has neither: an outlier squeezes all others, pruned trials are missing, long names overlap.
    """
    keys, ranked = plan.searched, ranking(plan, trials)
    scores = [trial.score for trial in ranked]
    low, high = range_of_scores(scores, plan.mode)
    figure = Figure(figsize=(WIDTH * (len(keys) + 2), HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    colors = matplotlib.colormaps["viridis"]
    for place, trial in reversed(list(enumerate(ranked))):
        heights = [position(plan.domains[key], trial.values[key]) for key in keys]
        axes.plot(
            [*heights, _height(trial.score, low, high)],
            color=colors(0.9 * place / max(1, len(ranked) - 1)),
            linestyle="-" if trial.rung == plan.num_rungs - 1 else ":",
            linewidth=3.0 if place == 0 else 1.2,
        )
    for at, key in enumerate(keys):
        values = _tick_values(plan.domains[key])
        labels = [f"{each:.3g}" if isinstance(each, float) else str(each) for each in values]
        _draw_ticks(axes, at, [position(plan.domains[key], each) for each in values], labels)
    values = np.linspace(low, high, NUM_TICKS) if low < high else [low]
    labels = [f"{each:.4g}" for each in values]
    if min(scores) < low or max(scores) > high:
        labels[-1 if plan.mode == "min" else 0] += " or worse"
    _draw_ticks(axes, len(keys), [_height(each, low, high) for each in values], labels)
    axes.set_xticks(range(len(keys) + 1), [*short_names(keys), f"{plan.metric} ({plan.mode})"])
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(keys) + 0.6)
    axes.spines[:].set_visible(False)
    title = f"{len(ranked)} trials; dark is better, thick is best, dotted was stopped early"
    axes.set_title(title, fontsize=10)
    _save(figure, path)


def draw_importance(table: pd.DataFrame, path: Path) -> None:
    """Bars of the estimated importance."""
    figure = Figure(figsize=(7, 1.2 + 0.4 * len(table)), layout="constrained")
    axes = figure.add_subplot()
    rows = table[::-1]
    bars = axes.barh(rows["parameter"], rows["importance"])
    axes.bar_label(bars, [_direction(value) for value in rows["rank_correlation"]], padding=4)
    axes.set_xlim(0, 1.6)
    axes.set_xticks(np.linspace(0, 1, NUM_TICKS))
    axes.set_title(
        "share of the variance between trials (fANOVA); random numbers show the noise", fontsize=10
    )
    _save(figure, path)


def range_of_scores(scores: list[float], mode: Mode) -> tuple[float, float]:
    """Range from the best score to the worst that is no outlier (Tukey's fence).

    A trial that went astray would otherwise push all others together.
    """
    lower, upper = np.quantile(scores, [0.25, 0.75])
    reach = 1.5 * (upper - lower)
    kept = [each for each in scores if lower - reach <= each <= upper + reach]
    return (min(scores), max(kept)) if mode == "min" else (min(kept), max(scores))


def position(domain: Domain, value: float) -> float:
    """Position of a value in its domain: 0 at the lower end, 1 at the upper."""
    if isinstance(domain, ChoiceDomain):
        return domain.values.index(value) / max(1, len(domain.values) - 1)
    ends = np.array([domain.low, domain.high, value], dtype=float)
    low, high, at = np.log(ends) if domain.is_log else ends
    return float((at - low) / (high - low))


def _tick_values(domain: Domain) -> Sequence[float]:
    if isinstance(domain, ChoiceDomain):
        return domain.values
    space = np.geomspace if domain.is_log else np.linspace
    ends = space(domain.low, domain.high, NUM_TICKS)
    return list(dict.fromkeys(domain.snap(float(each)) for each in ends))


def _height(score: float, low: float, high: float) -> float:
    return min(max((score - low) / ((high - low) or 1), 0.0), 1.0)


def _direction(correlation: float) -> str:
    if math.isnan(correlation):
        return ""
    return f"larger is {'better' if correlation > 0 else 'worse'} (rho {correlation:+.2f})"


def _draw_ticks(axes: Axes, at: int, heights: Sequence[float], labels: Sequence[str]) -> None:
    axes.axvline(at, color="0.7", linewidth=1, zorder=0)
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}
    for height, label in zip(heights, labels, strict=True):
        axes.annotate(
            label, (at, height), (5, 0), textcoords="offset points", va="center", fontsize=8,
            bbox=box,
        )  # fmt: skip


def _save(figure: Figure, path: Path) -> None:
    with matplotlib.rc_context({"svg.hashsalt": "sweep", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
