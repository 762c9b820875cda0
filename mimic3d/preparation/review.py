"""Outcomes of a partial dataset: near copies, too many rejects, too few images, too few views."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float64

from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.names import NO_IMAGE
from mimic3d.preparation.partial_dataset import PartialDataset, Place
from mimic3d.preparation.photos.duplicates import DuplicateIndex
from mimic3d.preparation.pose import Reject
from mimic3d.preparation.reasons import explain
from mimic3d.preparation.rows import REJECTS_SCHEMA
from mimic3d.preparation.sample import Rejected

KEPT = "ok"  # the gate of an image that passed all
COPY = "duplicate"  # the gate of near copies
FACELESS = ("no_face", "presence")  # gates of photos that show no face, which is no fault
UNCOUNTED = (
    NO_IMAGE,
    "vetoed",
    "mirrored_copy",
    *FACELESS,
)  # gates that say nothing of the images or of the estimator


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """Outcome of one image."""

    image_id: str
    split: str
    """Split; empty if the image was left out before any work."""
    gate: str = KEPT
    """Gate that rejected it."""
    value: float = math.nan
    threshold: float = math.nan
    reason: str = ""
    yaw: float = math.nan
    """Yaw by position about orbit_center, rad; not a number if it got no camera, as all below."""
    pitch: float = math.nan
    roll: float = math.nan
    """Roll of the crop, rad."""
    confidence: float = math.nan
    reproj_px: float = math.nan
    part: int = -1
    """Part of the partial dataset that has it; -1 if none."""
    row: int = -1

    @property
    def is_kept(self) -> bool:
        """True if it is an image of the dataset."""
        return self.gate == KEPT

    @property
    def is_finished(self) -> bool:
        """True if the partial dataset has it among its kept images, near copies included."""
        return self.part >= 0 and self.gate in (KEPT, COPY)

    @property
    def place(self) -> Place:
        """Place in the partial dataset."""
        return self.part, self.row


def collect_outcomes(
    partial: PartialDataset, before: Sequence[Rejected], max_duplicate_bits: int | None
) -> list[ImageOutcome]:
    """Outcomes of `before`, then part by part, kept ones in their order before rejects.

    Of near copies only the first is kept.
    """
    outcomes = [
        ImageOutcome(item.image_id, "", **vars(item.reject), reason=explain(item))
        for item in before
    ]
    duplicates = None if max_duplicate_bits is None else DuplicateIndex(max_duplicate_bits)
    for part in range(partial.num_parts):
        for row, (dhash, miniature, facts) in enumerate(partial.kept_facts(part)):
            outcome = ImageOutcome(**facts, part=part, row=row)
            if duplicates is not None and dhash is not None:
                outcome = _unless_copy(outcome, dhash, miniature, duplicates)
            outcomes.append(outcome)
        rejects = enumerate(partial.rejected_facts(part))
        outcomes += [ImageOutcome(**facts, part=part, row=row) for row, facts in rejects]
    return outcomes


def thumbnails_of(outcomes: Sequence[ImageOutcome], partial: PartialDataset) -> list[bytes]:
    """Crops (PNG) of finished images and thumbnails (JPEG) of rejects; empty if unreadable."""
    finished = [item.place for item in outcomes if item.is_finished]
    others = [item.place for item in outcomes if not item.is_finished and item.part >= 0]
    crops = dict(zip(finished, partial.images(finished), strict=True))
    thumbnails = dict(zip(others, partial.thumbnails(others), strict=True))
    return [
        crops[item.place] if item.is_finished else thumbnails.get(item.place, b"")
        for item in outcomes
    ]


def count_gates(outcomes: Sequence[ImageOutcome]) -> dict[str, int]:
    """Number of images that each gate left out, by name."""
    return dict(sorted(Counter(item.gate for item in outcomes if not item.is_kept).items()))


def rejects_table(outcomes: Sequence[ImageOutcome]) -> pa.Table:
    """The contents of rejects.parquet, by image."""
    rejects = [item for item in outcomes if not item.is_kept]
    rejects.sort(key=lambda item: (item.image_id, item.gate))
    rows = [{name: getattr(item, name) for name in REJECTS_SCHEMA.names} for item in rejects]
    return pa.Table.from_pylist(rows, schema=REJECTS_SCHEMA)


def check_outcomes(outcomes: Sequence[ImageOutcome], gates: GatesConfig, rejects_file: str) -> None:
    """Raises ValueError if the kept images are no dataset to train on."""
    kept = [item for item in outcomes if item.is_kept]
    gates_hit = Counter(item.gate for item in outcomes if not item.is_kept)
    num_rejected = sum(number for gate, number in gates_hit.items() if gate not in UNCOUNTED)
    num_faceless = sum(gates_hit[gate] for gate in FACELESS)
    total = len(kept) + num_rejected
    photos = total + num_faceless
    why = ", ".join(f"{number} {gate}" for gate, number in gates_hit.most_common(4)) or "none"
    if num_faceless > gates.max_faceless_share * photos:
        raise ValueError(
            f"prepare.gates.max_faceless_share must not be exceeded = {gates.max_faceless_share:g},"
            f" {num_faceless} of {photos} photos show no face ({why}); {rejects_file} says why of "
            f"each: name another folder, or raise the share"
        )
    if num_rejected > gates.max_rejected_share * total:
        raise ValueError(
            f"prepare.gates.max_rejected_share must not be exceeded = {gates.max_rejected_share:g},"
            f" {num_rejected} of {total} images are rejected ({why}); {rejects_file} says why of "
            f"each: mend the images, change a gate, or raise the share"
        )
    if len(kept) < gates.min_kept:
        raise ValueError(
            f"prepare.gates.min_kept must be reached = {gates.min_kept}, {len(kept)} of {total} "
            f"images are kept (rejected: {why}); add images or lower it"
        )
    spread = math.degrees(circular_deviation(np.array([item.yaw for item in kept])))
    if spread < gates.min_yaw_spread_deg:
        raise ValueError(
            f"prepare.gates.min_yaw_spread_deg must be reached = {gates.min_yaw_spread_deg:g}, the "
            f"yaws of {len(kept)} images spread by {spread:.3g} deg; add images from other sides"
        )


def circular_deviation(angles: Float64[np.ndarray, " n"]) -> float:
    """Standard deviation of directions, rad: cameras all around have no edge at pi."""
    length = min(1.0, max(abs(np.exp(1j * angles).mean()), 1e-12))
    return math.sqrt(-2 * math.log(length))


def _unless_copy(
    outcome: ImageOutcome, dhash: int, miniature: bytes, duplicates: DuplicateIndex
) -> ImageOutcome:
    first = duplicates.add(dhash, outcome.image_id, miniature)
    if first is None:
        return outcome
    reject = Reject(COPY, float(first[1]), float(duplicates.max_bits))
    reason = explain(Rejected(outcome.image_id, reject, f"of {first[0]}"))
    return replace(outcome, **vars(reject), reason=reason)
