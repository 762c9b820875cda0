"""The page: numbers, plots and pictures of an evaluation, and their protocol."""

import json
from collections.abc import Mapping

from PIL import Image

from mimic3d.evaluation.report.content import EvaluationReport, ReportPicture
from mimic3d.evaluation.report.plots import Plot, chart_of
from mimic3d.evaluation.report.style import STYLE
from mimic3d.evaluation.report.tables import distance_table, score_table
from mimic3d.html.chart import CHART_STYLE, draw_chart
from mimic3d.html.document import document
from mimic3d.html.markup import Html, embed, figure, fold, join, section, table, tag

TITLE = "Evaluation of both branches"
LARGEST = 2048  # pixels across of a picture in the page; its file has all
LOSSLESS_PIXELS = 2**19  # pictures up to this size are embedded as they are
SMALLEST = 480  # CSS pixels across that small pictures are enlarged to
DISTANCES_TEXT = (
    "Generated against real images. Floor: the same distance between two disjoint sets of real "
    "images of the same size; nothing can be told apart below it. Untrained: the same networks "
    "with fresh weights. Small numbers are 95 % intervals. The better branch is bold, unless "
    "their intervals overlap."
)
SCORES_TEXT = (
    "Views of one object against each other, means over objects with 95 % bootstrap intervals over "
    "identities. Ceiling: true renderings measured in the same way. No score alone is a verdict: "
    "blur raises warp_psnr, and a flat billboard has no depth error."
)


def build_report(report: EvaluationReport) -> str:
    """The whole page."""
    return document(
        TITLE,
        STYLE + CHART_STYLE,
        *[tag("p", notice, class_="notice") for notice in report.notices],
        _header(report),
        _distances(report),
        section(
            "Multi-view metrics",
            tag("p", SCORES_TEXT),
            score_table(report.scores, report.view_infos),
        ),
        _plots(report.plots),
        *[_picture(picture) for picture in report.pictures],
        _protocols(report.protocol),
        section("How to reproduce", tag("pre", report.commands)),
    )


def _header(report: EvaluationReport) -> Html:
    rows = list(report.facts.items())
    for part, record in report.protocol.items():
        if isinstance(record, Mapping) and "hash" in record:
            rows.append((f"protocol {part}", tag("code", str(record["hash"]))))
    return table((), rows, "facts")


def _distances(report: EvaluationReport) -> Html:
    infos = report.distance_infos
    main = distance_table(report.distances, infos, is_folded=False)
    parts = [tag("p", DISTANCES_TEXT), main]
    if report.distances["name"].str.endswith("_samples").any():
        others = distance_table(report.distances, infos, is_folded=True)
        parts.append(fold("At other numbers of samples per ray", others))
    return section("Distribution metrics", *parts)


def _plots(plots: tuple[Plot, ...]) -> Html:
    figures = [figure(draw_chart(chart_of(plot)), plot.title, class_="plot") for plot in plots]
    return section("Plots", tag("div", join(figures), class_="plots"))


def _picture(picture: ReportPicture) -> Html:
    image = picture.image.convert("RGB")
    image.thumbnail((LARGEST, LARGEST * 4), Image.Resampling.LANCZOS)
    if image.width < SMALLEST:  # browsers blur on paper what they enlarge
        scale = -(-SMALLEST // image.width)
        size = image.width * scale, image.height * scale
        image = image.resize(size, Image.Resampling.NEAREST)
    embedded = embed(image, picture.alt, lossless=image.width * image.height <= LOSSLESS_PIXELS)
    return section(picture.title, figure(embedded, picture.caption, class_="picture"))


def _protocols(protocol: Mapping[str, object]) -> Html:
    words = "Numbers compare only where the records, and so their hashes, are equal."
    folded = [
        fold(part, tag("pre", json.dumps(record, indent=2, default=str)))
        for part, record in protocol.items()
    ]
    return section("Protocol records", tag("p", words), *folded)
