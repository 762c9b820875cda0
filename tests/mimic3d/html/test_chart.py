import math
import re
from xml.etree import ElementTree

import pytest

from mimic3d.html.chart import Chart, Line, chart_file, draw_chart, nice_ticks

NAN = math.nan


def chart(*lines, has_log_x=False):
    return Chart("A & B", "x", "y", lines, has_log_x)


def line(x, y, low=None, high=None, is_reference=False):
    blank = [NAN] * len(x)
    return Line("2D <branch>", x, y, low or blank, high or blank, is_reference)


def places(svg):
    """Of the points of each line, without the legend's two."""
    ways = re.findall(r'<polyline points="([^"]*)"', svg)
    return [[tuple(map(float, point.split(","))) for point in way.split()] for way in ways[::1]]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.3, 9.1, [0, 2, 4, 6, 8, 10]),
        (27.7, 45.7, [25, 30, 35, 40, 45, 50]),
        (-0.002, 0.0071, [-0.002, 0, 0.002, 0.004, 0.006, 0.008]),
        (5.0, 5.0, [4.4, 4.6, 4.8, 5, 5.2, 5.4, 5.6]),
    ],
)
def test_ticks_are_round_and_enclose_the_range(low, high, expected):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    if low < high:
        assert ticks == pytest.approx(expected)


def test_equal_steps_lie_equally_far_apart_and_more_is_higher():
    (a, b, c), *_ = places(draw_chart(chart(line([0, 1, 2], [10, 20, 30]))))
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.2) != 0
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=0.2)
    assert a[1] > b[1]


def test_equal_ratios_lie_equally_far_apart_on_a_logarithmic_axis():
    svg = draw_chart(chart(line([12, 24, 96], [1, 2, 3]), has_log_x=True))
    (a, b, c), *_ = places(svg)
    assert c[0] - b[0] == pytest.approx(2 * (b[0] - a[0]), abs=0.3)
    assert {"12", "24", "96"} <= set(re.findall(r">([\d.]+)</text>", svg))


def test_what_was_not_measured_is_not_drawn():
    svg = draw_chart(chart(line([0, 1, 2], [10, NAN, 30])))
    assert len(places(svg)[0]) == 2
    assert "nan" not in svg
    assert "nothing was measured" in draw_chart(chart(line([0], [NAN])))
    assert "nothing was measured" in draw_chart(chart())


def test_intervals_are_bars_and_within_the_axis():
    svg = draw_chart(chart(line([0, 1], [10, 11], low=[2, NAN], high=[18, NAN])))
    assert svg.count('class="bar"') == 1
    assert "10 at 0 (2 to 18)" in svg
    bar = re.search(r'class="bar" y1="([\d.]+)" y2="([\d.]+)"', svg)
    assert bar
    assert 0 < float(bar[2]) < float(bar[1]) < 300


def test_names_are_only_text_and_a_reference_is_dashed():
    svg = draw_chart(chart(line([0, 1], [1, 2], is_reference=True)))
    assert "2D &lt;branch&gt;" in svg
    assert svg.count('class="reference"') == 2
    assert 'aria-label="A &amp; B"' in svg


def test_a_chart_file_is_well_formed_svg():
    text = chart_file(chart(line([0, 1], [1, 2])))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert text.count("http") == 1  # the name of the format
