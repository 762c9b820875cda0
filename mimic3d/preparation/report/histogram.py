"""Counts of angles: as tables that DVC plots, and drawn as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mimic3d.html.markup import Html, tag

WIDTH, HEIGHT = 340, 180  # of a drawing, CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 36  # its margins
X_PARTS, Y_PARTS = 4, 2  # parts of the axes between labels


@dataclass(frozen=True)
class Histogram:
    """How many angles lie in each of equal bins about 0."""

    limit_deg: float
    """The bins span this much to either side."""
    counts: Int64[np.ndarray, " n"]

    @property
    def edges_deg(self) -> Float64[np.ndarray, " m"]:
        """Where bins begin and end."""
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
    """Bars as inline SVG; each says its range and count under the mouse."""
    top = max(2, int(histogram.counts.max()))
    top += top % 2  # so that the label in the middle is a whole number
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = across / len(histogram.counts)
    shapes = []
    for part in range(Y_PARTS + 1):
        y = TOP + up * (1 - part / Y_PARTS)
        shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        number = f"{top * part // Y_PARTS:,}"
        shapes.append(tag("text", number, x=LEFT - 6, y=y + 4, text_anchor="end"))
    edges = histogram.edges_deg
    for index, count in enumerate(histogram.counts.tolist()):
        if count:
            height = max(1.0, up * count / top)
            words = f"{edges[index]:g} to {edges[index + 1]:g} deg: {count:,}"
            place = {"x": f"{LEFT + step * index + 0.5:.1f}", "y": f"{TOP + up - height:.1f}"}
            size = {"width": f"{step - 1:.1f}", "height": f"{height:.1f}"}
            shapes.append(tag("rect", tag("title", words), **place, **size))
    for part in range(X_PARTS + 1):
        x, angle = LEFT + across * part / X_PARTS, (2 * part / X_PARTS - 1) * histogram.limit_deg
        shapes.append(tag("text", f"{angle:g}", x=x, y=TOP + up + 15, text_anchor="middle"))
    middle = LEFT + across / 2
    shapes.append(tag("text", f"{name}, deg", x=middle, y=HEIGHT - 5, text_anchor="middle"))
    return tag("svg", *shapes, viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, height=HEIGHT)


def describe_angles(angles_rad: Float64[np.ndarray, " n"]) -> str:
    """Mean, deviation and range in words."""
    angles = np.degrees(angles_rad)
    facts = [angles.mean(), angles.std(), *np.quantile(angles, [0.05, 0.95])]
    mean, deviation, low, high = [round(float(fact), 1) + 0.0 for fact in facts]  # no minus zero
    return f"mean {mean}, deviation {deviation}, 90 % between {low} and {high}"
