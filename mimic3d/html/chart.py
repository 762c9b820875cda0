"""Lines over an axis as SVG: within a page, or as a file of their own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mimic3d.html.markup import Html, tag

WIDTH, HEIGHT = 520, 300  # of a drawing, CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 58, 28, 34, 44  # its margins
NUM_TICKS = 5  # of an axis, about
COLORS = 4  # in turn, with as many shapes of marks, so that they differ without colours

COLORS_STYLE = """
.chart { --c0: #2563b0; --c1: #c2410c; --c2: #3f7d3a; --c3: #7c4fb0; }
"""
DARK_STYLE = """
@media screen and (prefers-color-scheme: dark) {
  .chart { --c0: #7fb0ee; --c1: #f59e6c; --c2: #8ac784; --c3: #c0a0ea; } }
"""
SHAPES_STYLE = """
.chart .c0 { --c: var(--c0); } .chart .c1 { --c: var(--c1); }
.chart .c2 { --c: var(--c2); } .chart .c3 { --c: var(--c3); }
.chart polyline { fill: none; stroke: var(--c); stroke-width: 2; }
.chart .reference { stroke-dasharray: 6 4; stroke-width: 1.5; }
.chart .bar { stroke: var(--c); stroke-width: 1.5; opacity: .6; }
.chart .mark { fill: var(--c); }
.chart .axis { stroke: var(--faint); }
.chart .name { font-size: 12px; }
.chart .title { font-weight: 600; fill: var(--ink); font-size: 12px; }
"""
CHART_STYLE = COLORS_STYLE + DARK_STYLE + SHAPES_STYLE
ALONE_STYLE = """
svg { --ink: #1d2430; --soft: #4a5568; --faint: #8a94a6; --hair: #e8ebf0; background: #fff;
  font-family: system-ui, sans-serif; }
svg .grid { stroke: var(--hair); }
svg text { font-size: 11px; fill: var(--soft); }
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
    """Dashed: what others are held against."""


@dataclass(frozen=True)
class Chart:
    """Lines and what their axes say."""

    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    has_log_x: bool
    """Equal ratios of x are equally far apart; the points themselves are labelled."""


@dataclass(frozen=True)
class _Frame:
    """Numbers to places."""

    x: tuple[float, float]
    y: tuple[float, float]
    has_log_x: bool

    def across(self, x: float) -> float:
        low, high = (math.log(end) if self.has_log_x else end for end in self.x)
        place = math.log(x) if self.has_log_x else x
        share = (place - low) / (high - low) if high > low else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def down(self, y: float) -> float:
        share = (y - self.y[0]) / (self.y[1] - self.y[0])
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def draw_chart(chart: Chart) -> Html:
    """The chart within a page that has `CHART_STYLE`; each point tells its value to the mouse."""
    parts = [tag("title", chart.title), *_draw(chart)]
    box = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "width": WIDTH, "height": HEIGHT}
    return tag("svg", *parts, class_="chart", role="img", aria_label=chart.title, **box)


def chart_file(chart: Chart) -> str:
    """The chart as the text of an .svg file."""
    style = tag("style", Html(ALONE_STYLE + COLORS_STYLE + SHAPES_STYLE))
    title = tag("text", chart.title, x=LEFT, y=14, class_="title")
    box = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "width": WIDTH, "height": HEIGHT}
    name = {"xmlns": "http://www.w3.org/2000/svg", "class_": "chart"}
    return tag("svg", style, title, *_draw(chart), **name, **box) + "\n"


def nice_ticks(low: float, high: float) -> list[float]:
    """About five round numbers from just below to just above a range."""
    if high <= low:
        margin = abs(low) / 10 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / NUM_TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _draw(chart: Chart) -> list[Html]:
    points = [point for line in chart.lines for point in _finite(line)]
    if not points:
        empty = tag("text", "nothing was measured", x=WIDTH / 2, y=HEIGHT / 2, text_anchor="middle")
        return [empty]
    ys = [y for _, *rest in points for y in rest if math.isfinite(y)]
    xs = sorted({x for x, *_ in points})
    y_ticks = nice_ticks(min(ys), max(ys))
    x_ticks = xs if chart.has_log_x else nice_ticks(xs[0], xs[-1])
    frame = _Frame((x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1]), chart.has_log_x)
    return [
        *_axes(chart, frame, x_ticks, y_ticks),
        *(_line(line, index % COLORS, frame) for index, line in enumerate(chart.lines)),
        *_legend(chart.lines),
    ]


def _axes(
    chart: Chart, frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float]
) -> list[Html]:
    bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    shapes = []
    for tick in y_ticks:
        y = frame.down(tick)
        shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        shapes.append(tag("text", f"{tick:,.6g}", x=LEFT - 7, y=y + 4, text_anchor="end"))
    for tick in x_ticks:
        x = frame.across(tick)
        shapes.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        shapes.append(tag("text", f"{tick:,.6g}", x=x, y=bottom + 16, text_anchor="middle"))
    shapes.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis"))
    across = (LEFT + WIDTH - RIGHT) / 2
    shapes.append(tag("text", chart.x_title, x=across, y=HEIGHT - 8, text_anchor="middle"))
    turn = {"transform": f"rotate(-90 13 {middle})", "text_anchor": "middle"}
    shapes.append(tag("text", chart.y_title, x=13, y=middle, **turn))
    return shapes


def _line(line: Line, color: int, frame: _Frame) -> Html:
    points = _finite(line)
    places = [(frame.across(x), frame.down(y)) for x, y, _, _ in points]
    way = " ".join(f"{x},{y}" for x, y in places)
    shapes = [tag("polyline", points=way, class_="reference" if line.is_reference else "")]
    for (across, down), (x, y, low, high) in zip(places, points, strict=True):
        words = f"{line.name}: {y:.4g} at {x:,.6g}"
        if math.isfinite(low) and math.isfinite(high):
            ends = {"y1": frame.down(low), "y2": frame.down(high)}
            shapes.append(tag("line", x1=across, x2=across, class_="bar", **ends))
            words += f" ({low:.4g} to {high:.4g})"
        shapes.append(_mark(across, down, color, tag("title", words)))
    return tag("g", *shapes, class_=f"c{color}")


def _mark(x: float, y: float, color: int, *content: Html) -> Html:
    if color == 0:
        return tag("circle", *content, cx=x, cy=y, r=3.5, class_="mark")
    shapes = {
        1: [(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)],
        2: [(0, -4.5), (4.2, 3.2), (-4.2, 3.2)],
        3: [(0, -4.8), (4.8, 0), (0, 4.8), (-4.8, 0)],
    }
    corners = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in shapes[color])
    return tag("polygon", *content, points=corners, class_="mark")


def _legend(lines: Sequence[Line]) -> list[Html]:
    entries, x = [], float(LEFT)
    for index, line in enumerate(lines):
        color = index % COLORS
        stroke = tag(
            "polyline", points=f"{x},{TOP - 9} {x + 22},{TOP - 9}",
            class_="reference" if line.is_reference else "",
        )  # fmt: skip
        name = tag("text", line.name, x=x + 28, y=TOP - 5, class_="name")
        entries.append(tag("g", stroke, _mark(x + 11, TOP - 9, color), name, class_=f"c{color}"))
        x += 48 + 6.4 * len(line.name)
    return entries


def _finite(line: Line) -> list[tuple[float, float, float, float]]:
    rows = zip(line.x, line.y, line.low, line.high, strict=True)
    return [row for row in rows if math.isfinite(row[0]) and math.isfinite(row[1])]
