import math
import re
from xml.etree import ElementTree

from mimic3d.html.chart import Chart, Line, chart_file, draw_chart

NAN = math.nan


def chart(*lines, has_log_x=False):
    return Chart("A & B", "x", "y", lines, has_log_x)


def line(x, y, low=None, high=None, is_reference=False):
    blank = [NAN] * len(x)
    return Line("2D <branch>", x, y, low or blank, high or blank, is_reference)


def places(svg, name="line-0"):
    """The corners of each path of this name."""
    paths = re.findall(rf'<g id="{name}">\s*<path d="([^"]*)"', svg)
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
        for path in paths
    ]


def test_equal_steps_lie_equally_far_apart_and_more_is_higher():
    ((a, b, c),) = places(draw_chart(chart(line([0, 1, 2], [10, 20, 30]))))
    assert abs(a[0] - 2 * b[0] + c[0]) < 1e-3
    assert c[0] > b[0] > a[0]
    assert abs(a[1] - 2 * b[1] + c[1]) < 1e-3
    assert a[1] > b[1]


def test_equal_ratios_lie_equally_far_apart_on_a_logarithmic_axis():
    svg = draw_chart(chart(line([12, 24, 96], [1, 2, 3]), has_log_x=True))
    ((a, b, c),) = places(svg)
    assert abs((c[0] - b[0]) - 2 * (b[0] - a[0])) < 1e-3
    assert {"12", "24", "96"} <= set(re.findall(r">([\d.]+)</text>", svg))


def test_what_was_not_measured_is_not_drawn():
    svg = draw_chart(chart(line([0, 1, 2], [10, NAN, 30])))
    assert len(places(svg)[0]) == 2
    assert "nan" not in svg
    assert "nothing was measured" in draw_chart(chart(line([0], [NAN])))
    assert "nothing was measured" in draw_chart(chart())


def test_intervals_are_bars_and_within_the_axis():
    svg = draw_chart(chart(line([0, 1], [10, 11], low=[2, NAN], high=[18, NAN])))
    (((x, low), (_, high)),) = places(svg, "interval")
    ((a, _),) = places(svg)
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg)[1])
    assert x == a[0]
    assert 0 < high < a[1] < low < height


def test_names_are_only_text_and_a_reference_is_dashed():
    svg = draw_chart(chart(line([0, 1], [1, 2], is_reference=True)))
    assert "2D &lt;branch&gt;" in svg
    assert svg.count("stroke-dasharray") == 2  # in the legend, too
    assert 'aria-label="A &amp; B"' in svg
    plain = draw_chart(chart(line([0, 1], [1, 2])))
    assert "stroke-dasharray" not in plain


def test_a_chart_takes_on_the_colours_of_the_page_and_needs_nothing_else():
    svg = draw_chart(chart(line([0, 1], [1, 2])))
    assert "var(--c0, #2563b0)" in svg
    assert "http" not in svg
    assert "url(" not in svg


def test_a_chart_file_is_well_formed_and_always_the_same():
    text = chart_file(chart(line([0, 1], [1, 2])))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert text.startswith("<svg ")
    assert text == chart_file(chart(line([0, 1], [1, 2])))
    assert "A &amp; B" in text
