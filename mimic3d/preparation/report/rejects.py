"""Rejects of the gates: counts and examples."""

import io
import math
from collections.abc import Mapping, Sequence

from PIL import Image

from mimic3d.html.markup import Html, embed, figure, fold, join, section, table, tag
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.review import ImageOutcome, count_gates, thumbnails_of

NUM_EXAMPLES = 4  # of each gate
THUMBNAIL = 88  # CSS pixels
WHOLE = 10_000  # thresholds from here on are whole numbers of pixels or bytes


def show_rejects(
    outcomes: Sequence[ImageOutcome], partial: PartialDataset, gates: Mapping[str, object]
) -> Html:
    """A row per gate that left anything out, and the settings of all gates."""
    settings = ""
    if gates:
        rows = [(name, "off" if value is None else str(value)) for name, value in gates.items()]
        settings = fold("How the gates are set (prepare.gates)", table((), rows, "facts"))
    counts = count_gates(outcomes)
    if not counts:
        return section("Rejected images", tag("p", "No image was rejected."), settings)
    rows = []
    for gate, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        items = [item for item in outcomes if item.gate == gate]
        share = f"{count / len(outcomes):.1%}"
        name = tag("code", gate)
        rows.append((name, _thresholds(items), f"{count:,}", share, _examples(items, partial)))
    head = ("Gate", "Threshold", "Rejected", "Of all images", "Examples")
    words = "Up to four of each gate are shown; the table of rejects lists all, with their reasons."
    return section("Rejected images", tag("p", words), table(head, rows, "gates"), settings)


def _thresholds(items: Sequence[ImageOutcome]) -> str:
    known = [item.threshold for item in items if math.isfinite(item.threshold)]
    if not known:
        return "none"
    low, high = (
        f"{one:,.0f}" if one >= WHOLE else f"{one:.4g}" for one in (min(known), max(known))
    )
    return low if low == high else f"{low} to {high}"


def _examples(items: Sequence[ImageOutcome], partial: PartialDataset) -> Html:
    """The first images of a gate, those that can be shown before others."""
    chosen = sorted(items, key=lambda item: (item.part < 0, item.part, item.row))[:NUM_EXAMPLES]
    figures = []
    for item, picture in zip(chosen, thumbnails_of(chosen, partial), strict=True):
        figures.append(figure(_thumbnail(picture, item), item.image_id, item.reason))
    return tag("div", join(figures), class_="row")


def _thumbnail(picture: bytes, item: ImageOutcome) -> Html:
    if not picture:
        return tag("div", "no picture", class_="blank")
    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return embed(small, item.image_id)
