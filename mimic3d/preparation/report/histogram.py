"""Counts of angles: as tables that DVC plots, and drawn for a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mimic3d.html.chart import Bars, draw_bars
from mimic3d.html.markup import Html


@dataclass(frozen=True)
class Histogram:
    """Counts of angles in equal bins about 0."""

    limit_deg: float
    """Span of the bins to either side."""
    counts: Int64[np.ndarray, " n"]

    @property
    def edges_deg(self) -> Float64[np.ndarray, " m"]:
        """Edges of the bins."""
        return np.linspace(-self.limit_deg, self.limit_deg, len(self.counts) + 1)

    @property
    def centers_deg(self) -> Float64[np.ndarray, " n"]:
        """The middle of every bin."""
        return (self.edges_deg[1:] + self.edges_deg[:-1]) / 2


def count_angles(
    angles_rad: Float64[np.ndarray, " n"], limits_deg: Sequence[float], num_bins: int
) -> Histogram:
    """Counts within the first of the rising limits that no angle exceeds.

    Angles beyond the last limit count in the outermost bins, so that none is lost.
    """
    angles = np.degrees(angles_rad)
    widest = np.abs(angles).max(initial=0)
    limit = next((limit for limit in limits_deg if widest <= limit), limits_deg[-1])
    counts, _ = np.histogram(np.clip(angles, -limit, limit), num_bins, (-limit, limit))
    return Histogram(limit, counts)


def draw_histogram(histogram: Histogram, name: str) -> Html:
    """Bars over the angle; each says its range and count under the mouse."""
    edges, counts = histogram.edges_deg.tolist(), histogram.counts.tolist()
    return draw_bars(Bars(f"Histogram of {name}", f"{name}, deg", edges, counts))


def describe_angles(angles_rad: Float64[np.ndarray, " n"]) -> str:
    """Mean, deviation and range in words."""
    angles = np.degrees(angles_rad)
    facts = [angles.mean(), angles.std(), *np.quantile(angles, [0.05, 0.95])]
    mean, deviation, low, high = [round(float(fact), 1) + 0.0 for fact in facts]  # no minus zero
    return f"mean {mean}, deviation {deviation}, 90 % between {low} and {high}"
