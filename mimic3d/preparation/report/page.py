"""Page of a report: kept images, rejects with reasons, and checks of the cameras."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from mimic3d.data.schema import SPLITS, Manifest
from mimic3d.html.chart import CHART_STYLE
from mimic3d.html.document import document
from mimic3d.html.markup import Html, embed, figure, join, section, table, tag
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.report.histogram import count_angles, describe_angles, draw_histogram
from mimic3d.preparation.report.overlays import (
    PosedCrop,
    choose_by_yaw,
    load_posed_crops,
    order_by_trust,
)
from mimic3d.preparation.report.rejects import show_rejects
from mimic3d.preparation.review import ImageOutcome

NUM_OVERLAYS = 10  # worst ones, and best ones
NUM_PAIRS = 3  # images beside their mirror images
OVERLAY = 192  # CSS pixels
PAIRED = 172  # CSS pixels; three pairs fill a row
SHEET = 768  # CSS pixels, at most
LIMITS_DEG = (15, 30, 45, 90, 180)  # of the histograms' axes
NUM_BINS = 30  # of a histogram; whole or half degrees at all limits
YAW_STEPS_DEG = (0, 15, 30, 45, 60, 180)  # of the table of trust
AXES = (
    "Axes start at the pivot of the scene: red x, the subject's left; green y, up; blue z, front."
)
STYLE = """
.pair { width: auto; }
.pair img + img { margin-left: 3px; }
.gates figure { width: 130px; }
.blank { width: 88px; height: 66px; display: flex; align-items: center; justify-content: center;
  color: var(--faint); background: var(--panel); }
"""


@dataclass(frozen=True)
class Failure:
    """A run that made no dataset."""

    name: str
    problem: str
    """Reason, in one sentence."""
    outcomes: Sequence[ImageOutcome]
    partial: PartialDataset
    gates: Mapping[str, object]
    """Settings of the gates; empty if none was used."""
    notes: Sequence[str]
    """Decisions of the source."""


def build_page(
    manifest: Manifest,
    outcomes: Sequence[ImageOutcome],
    partial: PartialDataset,
    sheet: Image.Image,
    gates: Mapping[str, object],
) -> str:
    """The whole page. `sheet` shows many images; `gates` are the settings, none if unused."""
    kept = [item for item in outcomes if item.is_kept]
    title = f"Dataset {manifest.name}"
    sheet = sheet.copy()
    sheet.thumbnail((SHEET, SHEET))
    return document(
        title,
        STYLE + CHART_STYLE,
        tag("p", _summary(manifest, len(kept), len(outcomes) - len(kept)), class_="lead"),
        *_notes(manifest.notes or ()),
        _counts(outcomes),
        show_rejects(outcomes, partial, gates),
        _poses(kept),
        _overlays(kept, partial, manifest),
        _mirrored(kept, partial, manifest),
        section("Contact sheet", embed(sheet, "the first kept images")),
        _facts(manifest),
    )


def build_failure_page(failure: Failure) -> str:
    """The page of a run that made no dataset: what stopped it, and what became of the images."""
    outcomes = failure.outcomes
    kept = [item for item in outcomes if item.is_kept]
    return document(
        f"Dataset {failure.name}: not made",
        STYLE + CHART_STYLE,
        tag("p", failure.problem, class_="lead"),
        *_notes(failure.notes),
        _counts(outcomes),
        show_rejects(outcomes, failure.partial, failure.gates),
        *([_poses(kept)] if kept else []),
    )


def _notes(notes: Sequence[str]) -> list[Html]:
    """The decisions of a source, a line each."""
    return [tag("ul", join([tag("li", note) for note in notes]))] if notes else []


def _summary(manifest: Manifest, num_kept: int, num_rejected: int) -> str:
    side = manifest.resolution
    return (
        f"Source: {manifest.source}. {num_kept:,} images of {side} x {side} px kept, "
        f"{num_rejected:,} rejected."
    )


def _counts(outcomes: Sequence[ImageOutcome]) -> Html:
    rows = []
    for split, words in (*[(split, split) for split in SPLITS], ("", "left out before any work")):
        items = [item for item in outcomes if item.split == split]
        num_kept = sum(item.is_kept for item in items)
        if items:
            num_rejected = len(items) - num_kept
            rows.append((words, f"{len(items):,}", f"{num_kept:,}", f"{num_rejected:,}"))
    return section("Images", table(("Split", "Found", "Kept", "Rejected"), rows, "numbers"))


def _poses(kept: Sequence[ImageOutcome]) -> Html:
    drawings = []
    for name in ("yaw", "pitch", "roll"):
        angles = np.array([getattr(item, name) for item in kept], dtype=np.float64)
        drawing = draw_histogram(count_angles(angles, LIMITS_DEG, NUM_BINS), name)
        drawings.append(figure(drawing, describe_angles(angles), class_="plot"))
    words = (
        "Of all kept images, without mirrored copies. Yaw and pitch are of the camera's position "
        "about the centre of its orbit: positive on the subject's left, and above. Roll is the "
        "turn of the crop; 0 is upright."
    )
    return section("Poses", tag("p", words), tag("div", join(drawings), class_="row"))


def _overlays(kept: Sequence[ImageOutcome], partial: PartialDataset, manifest: Manifest) -> Html:
    ordered, measure = order_by_trust(kept)
    if not ordered:
        words = "No error and no confidence tells these cameras apart: a choice from side to side."
        chosen = load_posed_crops(choose_by_yaw(kept, NUM_OVERLAYS), partial)
        return section("Cameras", tag("p", f"{words} {AXES}"), _gallery(chosen, manifest))
    num = min(NUM_OVERLAYS, (len(ordered) + 1) // 2)
    worst = load_posed_crops(ordered[:num], partial)
    best = load_posed_crops(ordered[num:][-num:][::-1], partial)
    parts = [tag("h3", f"Worst by {measure}"), _gallery(worst, manifest)]
    if best:
        parts += [tag("h3", f"Best by {measure}"), _gallery(best, manifest)]
    dots = " Yellow: what the camera was fitted to."
    has_dots = any(crop.pose.landmarks is not None for crop in worst)
    words = AXES + dots if has_dots else AXES
    return section("Cameras", tag("p", words), *parts, tag("h3", "Trust by yaw"), _trust(kept))


def _gallery(crops: Sequence[PosedCrop], manifest: Manifest) -> Html:
    figures = []
    for crop in crops:
        item = crop.outcome
        lines = [item.image_id, _angle_words(item)]
        if item.reproj_px > 0:
            lines.append(f"error {item.reproj_px:.2f} px, confidence {item.confidence:.2f}")
        elif item.confidence < 1:
            lines.append(f"confidence {item.confidence:.2f}")
        drawn = crop.draw(manifest.scene.pivot, OVERLAY)
        figures.append(figure(embed(drawn, item.image_id), *lines))
    return tag("div", join(figures), class_="row")


def _angle_words(item: ImageOutcome) -> str:
    return f"yaw {math.degrees(item.yaw):.1f}, pitch {math.degrees(item.pitch):.1f} deg"


def _trust(kept: Sequence[ImageOutcome]) -> Html:
    yaws = np.abs(np.degrees([item.yaw for item in kept]))
    errors = np.array([item.reproj_px for item in kept])
    confidences = np.array([item.confidence for item in kept])
    rows = []
    for low, high in pairwise(YAW_STEPS_DEG):
        here = (yaws >= low) & (yaws < high)
        if here.any():
            error, trust = np.median(errors[here]), np.median(confidences[here])
            row = (f"{low} to {high} deg", f"{here.sum():,}", f"{error:.2f} px", f"{trust:.2f}")
            rows.append(row)
    head = ("Yaw to either side", "Images", "Median error", "Median confidence")
    return table(head, rows, "numbers")


def _mirrored(kept: Sequence[ImageOutcome], partial: PartialDataset, manifest: Manifest) -> Html:
    title = "Mirrored copies"
    if not manifest.mirror:
        return section(title, tag("p", "Mirrored copies are no images of this dataset."))
    pairs = []
    for crop in load_posed_crops(choose_by_yaw(kept, NUM_PAIRS), partial):
        pictures = [
            embed(one.draw(manifest.scene.pivot, PAIRED), f"{crop.outcome.image_id}, {word}")
            for one, word in ((crop, "as it is"), (crop.mirror(), "mirrored"))
        ]
        words = (crop.outcome.image_id, _angle_words(crop.outcome))
        pairs.append(figure(join(pictures), *words, class_="pair"))
    words = (
        "Each image beside its mirror image, with axes drawn by the camera of each. In both, up "
        "and front must point the same way out of the face, and x to the same side of the picture: "
        "left and right are exchanged in the copy."
    )
    return section(title, tag("p", words), tag("div", join(pairs), class_="row"))


def _facts(manifest: Manifest) -> Html:
    facts = manifest.model_dump(
        exclude={"average_label", "label_std", "normalization", "poses", "notes"}
    )
    facts |= {f"scene.{name}": value for name, value in facts.pop("scene").items()}
    facts |= {f"counts.{name}": value for name, value in facts.pop("counts").items()}
    facts |= {f"poses.{name}": f"{value:.4f}" for name, value in manifest.poses.items()}
    if manifest.normalization is not None:
        moved = manifest.normalization.model_dump()
        facts |= {f"normalization.{name}": value for name, value in moved.items()}
    rows = [(name, _in_words(value)) for name, value in facts.items()]
    return section("Manifest", table((), rows, "facts"))


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_in_words(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
