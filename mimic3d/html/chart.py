"""Lines and bars over an axis by matplotlib, as SVG: within a page, or as a file of their own."""

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from mimic3d.html.markup import Html, tag

SIZE = (5.4, 3.1)  # inches of a drawing; 72 SVG units each
BARS_SIZE = (4.2, 2.3)
NUMBER = "{x:,.6g}"  # of the ticks
MARKS = ("o", "s", "^", "D")  # in turn with the colours, so that lines differ without them
COLORS = ("#2563b0", "#c2410c", "#3f7d3a", "#7c4fb0")
TEXT, AXIS, GRID = "#4a5568", "#8a94a6", "#e8ebf0"
VARIABLES = dict(zip((*COLORS, TEXT, AXIS, GRID), ("--c0", "--c1", "--c2", "--c3", "--soft",
                     "--faint", "--hair"), strict=True))  # fmt: skip
"""Colours of a drawing and the variables of the page that replace them where they are set."""
SETTINGS: Any = {
    "svg.hashsalt": "chart", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "text.color": TEXT, "axes.labelcolor": TEXT, "xtick.labelcolor": TEXT, "ytick.labelcolor": TEXT,
    "xtick.color": AXIS, "ytick.color": AXIS, "axes.edgecolor": AXIS, "grid.color": GRID,
    "axes.formatter.useoffset": False,
}  # fmt: skip
CHART_STYLE = """
@media screen and (prefers-color-scheme: dark) {
  .chart { --c0: #7fb0ee; --c1: #f59e6c; --c2: #8ac784; --c3: #c0a0ea; } }
"""


@dataclass(frozen=True)
class Line:
    """Points of one kind, by rising x, each perhaps with an interval (NaN where it has none)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    is_reference: bool
    """True if the line is a reference of the others, drawn dashed."""


@dataclass(frozen=True)
class Chart:
    """Lines and the titles of their axes."""

    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    has_log_x: bool
    """True if the x axis is logarithmic; the points themselves are labelled."""


@dataclass(frozen=True)
class Bars:
    """Counts in each of adjoining bins."""

    title: str
    x_title: str
    edges: Sequence[float]
    """Edges of the bins, rising; one more than counts."""
    counts: Sequence[int]


def draw_chart(chart: Chart) -> Html:
    """The chart as an element of a page, whose colours it takes on."""
    return _page_element(_render(lambda axes: _draw(axes, chart), SIZE), chart.title)


def draw_bars(bars: Bars) -> Html:
    """The bars as an element of a page; each says its range and count under the mouse."""
    svg = _page_element(_render(lambda axes: _draw_bars(axes, bars), BARS_SIZE), bars.title)
    for index, count in enumerate(bars.counts):
        low, high = bars.edges[index : index + 2]
        words = tag("title", f"{low:g} to {high:g}: {count:,}")
        svg = Html(svg.replace(f'<g id="bar-{index}">', f'<g id="bar-{index}">{words}'))
    return svg


def _page_element(svg: str, title: str) -> Html:
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable}, {color})")
    label = tag("title", title)
    opening, rest = svg.split(">", 1)
    named = tag("svg", class_="chart", role="img", aria_label=title)
    attributes = named[len("<svg") : -len("></svg>")]
    return Html(f"{opening}{attributes}>{label}{rest}")


def chart_file(chart: Chart) -> str:
    """The chart as the text of an .svg file, on white."""
    return _render(lambda axes: _draw(axes, chart), SIZE, chart.title)


def _render(draw: Callable[[Axes], None], size: tuple[float, float], title: str = "") -> str:
    """The SVG element; the same drawing gives the same bytes. With a title it lies on white."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(bool(title))
        axes = figure.subplots()
        axes.patch.set_visible(False)
        draw(axes)
        if title:
            figure.suptitle(title, fontsize=9, fontweight="bold")
        for artist in figure.findobj():
            artist.set_clip_on(False)  # nothing lies outside, and clip paths need URLs
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)


def _draw(axes: Axes, chart: Chart) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(chart.y_title)
    lines = [(index, line, _finite(line)) for index, line in enumerate(chart.lines)]
    if not any(points for _, _, points in lines):
        axes.text(0.5, 0.5, "nothing was measured", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    for index, line, points in lines:
        _draw_line(axes, index % len(COLORS), line, points)
    axes.grid(axis="y", linewidth=1)
    axes.tick_params(axis="y", length=0)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter(NUMBER))
    if chart.has_log_x:
        axes.set_xscale("log")
        axes.set_xticks(sorted({x for _, _, points in lines for x, *_ in points}))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(StrMethodFormatter(NUMBER))
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=len(lines), frameon=False,
        handlelength=2.2, columnspacing=1.2,
    )  # fmt: skip


def _draw_bars(axes: Axes, bars: Bars) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel(bars.x_title)
    widths = [high - low for low, high in zip(bars.edges, bars.edges[1:], strict=False)]
    container = axes.bar(bars.edges[:-1], bars.counts, widths, align="edge", color=COLORS[0])
    for index, bar in enumerate(container):
        bar.set_gid(f"bar-{index}")
        bar.set_linewidth(0)
    axes.set_xlim(bars.edges[0], bars.edges[-1])
    axes.set_axisbelow(True)
    axes.grid(axis="y", linewidth=1)
    axes.tick_params(axis="y", length=0)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter(NUMBER))


def _draw_line(
    axes: Axes, color: int, line: Line, points: list[tuple[float, float, float, float]]
) -> None:
    x, y = [point[0] for point in points], [point[1] for point in points]
    style = "--" if line.is_reference else "-"
    axes.plot(
        x, y, style, color=COLORS[color], marker=MARKS[color], markersize=4.5, linewidth=1.7,
        label=line.name, gid=f"line-{color}",
    )  # fmt: skip
    for at, _, low, high in points:
        if math.isfinite(low) and math.isfinite(high):
            axes.plot(
                [at, at], [low, high], color=COLORS[color], linewidth=1.3, alpha=0.6,
                gid="interval", label="_interval",
            )  # fmt: skip


def _finite(line: Line) -> list[tuple[float, float, float, float]]:
    rows = zip(line.x, line.y, line.low, line.high, strict=True)
    return [row for row in rows if math.isfinite(row[0]) and math.isfinite(row[1])]
