"""Page of an inverted photo: the picture, the numbers in a table, the losses as curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from mimic3d.html.chart import Chart, Line, draw_chart
from mimic3d.html.document import document
from mimic3d.html.markup import Html, embed, join, section, table, tag

ROWS = {
    "psnr_db": ("PSNR of the photo, dB", "{:.2f}"),
    "psnr_2d_db": ("the same by the 2D branch, dB", "{:.2f}"),
    "l2": ("mean square difference, pixels in [-1, 1]", "{:.5f}"),
    "perceptual": ("distance in lite0 features", "{:.3f}"),
    "identity_cos": ("cosine of identities", "{:.3f}"),
    "style_distance": ("distance of the style from the mean, deviations", "{:.2f}"),
    "depth_relief": ("relief of the depth, world units", "{:.3f}"),
}
STYLE = "section img { image-rendering: pixelated; }"


def write_page(
    path: Path, name: str, report: Mapping[str, Any], picture: Image.Image,
    losses: Mapping[Any, Sequence[float]],
) -> None:  # fmt: skip
    """Writes the page of one result, which needs no other file but the video beside it."""
    notes = [tag("p", sentence, class_="lead") for sentence in report["notes"]]
    page = document(
        f"Inversion of {name}",
        STYLE,
        *notes,
        section("Pictures", embed(picture, "photo and inversions", lossless=True), _video()),
        section("Numbers", _scores(report["scores"]), _facts(report)),
        section("Losses", draw_chart(_losses(losses))),
    )
    path.write_text(page)


def _video() -> Html:
    video = tag("video", src="orbit.mp4", controls="controls", loop="loop", width=512)
    return tag("p", video)


def _scores(scores: Mapping[str, Mapping[str, float | None]]) -> Html:
    rows = []
    for key, (words, form) in ROWS.items():
        values = [scores[phase][key] for phase in scores]
        rows.append([words, *("not measured" if v is None else form.format(v) for v in values)])
    return table(["", "w", "w+", "tuned"], rows, class_="numbers")


def _facts(report: Mapping[str, Any]) -> Html:
    domain, camera = report["domain"], report["camera_correction"]
    turned = ", ".join(f"{x:.2f}" for x in camera["rotation_deg"])
    moved = ", ".join(f"{x:.3f}" for x in camera["translation"])
    steps = ", ".join(f"{phase} {num}" for phase, num in report["steps"].items())
    rows = [
        ["distance left by w+, share of that of two samples",
         f"{domain['ratio']:.0%}, {domain['far_ratio']:.0%} and more is far"],
        ["random samples with less relief", f"{domain['relief_quantile']:.0%}"],
        ["cameras turned about the pivot, degrees", turned],
        ["cameras moved, world units", moved],
        ["steps", steps],
        ["seconds", f"{report['seconds']:.0f}"],
        ["renderer", report["renderer"]],
    ]  # fmt: skip
    return join([tag("h3", "Facts"), table([], rows, class_="facts")])


def _losses(losses: Mapping[Any, Sequence[float]]) -> Chart:
    lines = []
    for phase, values in losses.items():
        steps = [float(number) for number in range(1, len(values) + 1)]
        nothing = [float("nan")] * len(values)
        lines.append(Line(str(phase), steps, list(values), nothing, nothing, False))
    return Chart("Loss of the photo", "step", "loss", tuple(lines), False)
