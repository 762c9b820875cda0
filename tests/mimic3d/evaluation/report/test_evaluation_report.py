import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image

from mimic3d.evaluation.distribution import metrics
from mimic3d.evaluation.metric_info import MetricInfo, distance_info
from mimic3d.evaluation.report.content import EvaluationReport, ReportPicture
from mimic3d.evaluation.report.page import build_report
from mimic3d.evaluation.report.plots import plot_consistency

NAN = math.nan
HOSTILE = "<script>alert('1')</script>"
UP, DOWN, DASH = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}", "\N{EN DASH}"
SCORES = pd.DataFrame(
    [
        ("2d", "warp_psnr_at_0.2", 30.0, 29.0, 31.0, 8),
        ("3d", "warp_psnr_at_0.2", 36.0, 35.0, 37.0, 8),
        ("ceiling", "warp_psnr_at_0.2", 38.0, 37.5, 38.5, 8),
        ("2d", "depth_xview_at_0.2", 0.01, 0.008, 0.012, 8),
        ("3d", "depth_xview_at_0.2", 0.011, 0.009, 0.013, 8),
        ("3d", "odd", 1.0, NAN, NAN, 8),
    ],
    columns=["branch", "metric", "mean", "low", "high", "num"],
)
DISTANCES = pd.DataFrame(
    [
        ("2d/fid", 5.0, NAN, NAN), ("3d/fid", 4.0, NAN, NAN), ("floor/fid", 1.0, NAN, NAN),
        ("untrained/2d/fid", 300.0, NAN, NAN), ("3d/kid", 0.031, 0.027, 0.035),
        ("3d/fid_at_24_samples", 9.0, NAN, NAN),
    ],
    columns=["name", "value", "low", "high"],
)  # fmt: skip
REPORT = EvaluationReport(
    facts={"snapshot": HOSTILE, "commit": "89ceed9"},
    distances=DISTANCES,
    scores=SCORES,
    distance_infos=metrics.DISTANCES,
    view_infos=(
        MetricInfo("warp_psnr", "dB", "high", "One view warped into the other."),
        MetricInfo("depth_xview", "world units", "low", "Difference of depth."),
    ),
    plots=(plot_consistency(SCORES, "warp_psnr", "dB"),),
    pictures=(ReportPicture("Samples", Image.new("RGB", (64, 32)), "All of them.", "samples"),),
    protocol={"3d": {"hash": "0123456789ab", "truncation_psi": 1.0}, "consistency": {"n": 3}},
    commands="git checkout 89ceed9\ndvc repro evaluate",
    notices=("The snapshot is the last one.",),
)


class Reader(HTMLParser):
    """Elements, and the texts of table rows; fails where elements are not closed in order."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.words, self.rows, self._open = [], [], [], []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if "tr" in self._open:
            self.rows[-1].append(data)

    def row(self, first):
        (found,) = [row for row in self.rows if row[:1] == [first]]
        return found[1:]


@pytest.fixture(scope="module")
def page():
    return build_report(REPORT)


def test_the_page_needs_nothing_else_and_names_are_only_text(page):
    reader = Reader(page)
    assert "http" not in page
    assert "url(" not in page
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in reader.elements}
    images = [attributes for name, attributes in reader.elements if name == "img"]
    assert [image["alt"] for image in images] == ["samples"]
    assert all(image["src"].startswith("data:image/") for image in images)
    assert HOSTILE in reader.words


def test_distances_stand_beside_the_untrained_ones_and_the_floor(page):
    reader = Reader(page)
    assert reader.rows[3] == [
        "Metric", "2D branch", "3D branch", "untrained 2D", "floor", "Meaning"
    ]  # fmt: skip
    found = next(row for row in reader.rows if row[:1] == ["fid"])
    assert found[1:6] == [DOWN, "5", "4", "300", "1"]
    assert "FID" in found[6]
    assert reader.row("kid")[:5] == [DOWN, DASH, "0.031", "0.027 to 0.035", DASH]


def test_other_numbers_of_samples_are_folded_away(page):
    reader = Reader(page)
    assert reader.row("fid_at_24_samples")[:2] == [DOWN, "9"]
    assert page.index("At other numbers of samples") < page.index("fid_at_24_samples")
    few = replace(REPORT, distances=DISTANCES.iloc[:5])
    assert "At other numbers of samples" not in build_report(few)


def test_scores_stand_beside_the_ceiling_with_intervals(page):
    found = Reader(page).row("warp_psnr_at_0.2")
    assert found == [
        " (dB)", UP, "30", "29 to 31", "36", "35 to 37", "38", "37.5 to 38.5",
        "One view warped into the other.",
    ]  # fmt: skip
    assert Reader(page).row("odd") == [DASH, "1", DASH]  # nobody knows it: shown, not explained


def test_the_better_branch_is_bold_unless_intervals_overlap(page):
    bold = re.findall(r'<span class="best">([^<]*)</span>', page)
    assert bold == ["4", "36"]


def test_protocols_are_there_in_full_and_their_hashes_on_top(page):
    reader = Reader(page)
    assert reader.row("protocol 3d") == ["0123456789ab"]
    assert not [row for row in reader.rows if row[:1] == ["protocol consistency"]]
    assert "&quot;truncation_psi&quot;: 1.0" in page
    assert "dvc repro evaluate" in page


def test_small_pictures_are_enlarged_and_large_ones_reduced():
    def size(width, height):
        picture = ReportPicture("a", Image.new("RGB", (width, height)), "b", "c")
        reader = Reader(build_report(replace(REPORT, pictures=(picture,))))
        ((_, image),) = [item for item in reader.elements if item[0] == "img"]
        return int(image["width"]), int(image["height"]), image["src"][:14]

    assert size(64, 32) == (512, 256, "data:image/png")
    assert size(1000, 200) == (1000, 200, "data:image/png")
    assert size(8192, 1024) == (2048, 256, "data:image/png")
    assert size(2000, 1500) == (2000, 1500, "data:image/jpe")


@pytest.mark.parametrize(
    ("metric", "better", "words"),
    [
        ("fid", "low", "FID"),
        ("fid_3d", "low", "one fixed camera"),
        ("kid_independent", "low", "another camera"),
        ("fd_random_conv", "low", "no FID"),
        ("precision_random_conv", "high", "manifold of real"),
        ("recall", "high", "manifold of generated"),
        ("swd_64", "low", "at this resolution"),
        ("swd", "low", "mean over"),
        ("fid_at_24_samples", "low", "FID"),
    ],
)
def test_distances_are_explained(metric, better, words):
    found = distance_info(metrics.DISTANCES, metric)
    assert found is not None
    assert found.better == better
    assert words in found.meaning


def test_an_unknown_distance_has_no_meaning():
    assert distance_info(metrics.DISTANCES, "unheard_of") is None
