"""Numbers of a prepared dataset, and the files of its report."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image

from mimic3d.atomic import atomic_file
from mimic3d.data.images import decode_png
from mimic3d.data.schema import Manifest
from mimic3d.preparation.balance import effective_number
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.report.histogram import count_angles
from mimic3d.preparation.report.page import Failure, build_failure_page, build_page
from mimic3d.preparation.review import ImageOutcome, count_gates

SHEET_SIDE = 8  # images across and down the contact sheet
BIN_DEG = 5  # of the histograms that DVC plots, so that those of all datasets compare
HALF_TURN_DEG = 180


@dataclass(frozen=True)
class Preparation:
    """Results of a run, for its report."""

    manifest: Manifest
    outcomes: list[ImageOutcome]
    weights: Float32[np.ndarray, " n"]
    """Weights of the kept images, in their order."""
    partial: PartialDataset
    """Pixels, landmarks and thumbnails, by an outcome's place; see `review.thumbnails_of`."""
    gates: Mapping[str, object]
    """Settings of the gates; empty if none was used."""

    @property
    def kept(self) -> list[ImageOutcome]:
        """The images of the dataset."""
        return [item for item in self.outcomes if item.is_kept]

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the dataset by name."""
        is_train = np.array([item.split == "train" for item in self.kept])
        gates = count_gates(self.outcomes)
        metrics: dict[str, float] = {f"num_{k}": num for k, num in self.manifest.counts.items()}
        metrics["num_rejected"] = sum(gates.values())
        metrics |= {f"num_rejected_{gate}": num for gate, num in gates.items()}
        metrics["effective_train"] = effective_number(self.weights[is_train])
        return metrics | self.manifest.poses


def write_report(folder: Path, preparation: Preparation) -> Image.Image:
    """Metrics, histograms, contact sheet and page of a prepared dataset; returns the sheet."""
    manifest = preparation.manifest
    _write(folder / "metrics.json", json.dumps(preparation.metrics, indent=2) + "\n")
    _write(
        folder / "poses.csv",
        _histogram_csv(preparation, "yaw", (HALF_TURN_DEG // 2, HALF_TURN_DEG)),
    )
    _write(folder / "pitch.csv", _histogram_csv(preparation, "pitch", (HALF_TURN_DEG // 2,)))
    first = [item.place for item in preparation.kept[: SHEET_SIDE**2]]
    sheet = _contact_sheet([decode_png(image) for image in preparation.partial.images(first)])
    with atomic_file(folder / "contact_sheet.png") as path:
        sheet.save(path)
    page = build_page(manifest, preparation.outcomes, preparation.partial, sheet, preparation.gates)
    _write(folder / "report.html", page)
    return sheet


def write_failure_report(folder: Path, failure: Failure) -> None:
    """The page alone, of a run that made no dataset."""
    _write(folder / "report.html", build_failure_page(failure))


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as tmp:
        tmp.write_text(text, encoding="utf-8")


def _histogram_csv(preparation: Preparation, name: str, limits_deg: tuple[int, ...]) -> str:
    """Angles of the training images in bins of BIN_DEG, up to the first limit that holds all."""
    angles = np.array([getattr(item, name) for item in preparation.kept if item.split == "train"])
    limit = count_angles(angles, limits_deg, 1).limit_deg
    histogram = count_angles(angles, (limit,), int(2 * limit / BIN_DEG))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([f"{name}_deg", "count"])
    rows = zip(histogram.centers_deg.tolist(), histogram.counts.tolist(), strict=True)
    table.writerows(rows)
    return text.getvalue()


def _contact_sheet(images: list[np.ndarray]) -> Image.Image:
    side = images[0].shape[0]
    across = min(len(images), SHEET_SIDE)
    down = -(-len(images) // across)
    sheet = Image.new("RGB", (across * side, down * side))
    for index, pixels in enumerate(images):
        row, column = divmod(index, across)
        sheet.paste(Image.fromarray(pixels), (column * side, row * side))
    return sheet
