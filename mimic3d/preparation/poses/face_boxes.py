"""Boxes of faces: of one place the best, of several views the mean, of overlapping ones a group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128, Float64

from mimic3d.preparation.poses.image_pyramid import Window
from mimic3d.preparation.poses.lookat import to_points

SAME_BOX = 0.3  # boxes that share more of their union are the same detection (MediaPipe)


@dataclass(frozen=True)
class FaceBox:
    """A detected face."""

    middle: complex
    """Centre of the box, pixels of the picture."""
    side: float
    """Side of the box, pixels of the picture."""
    turn: complex
    """Direction from the subject's right eye to the left one, of length 1."""
    score: float
    """Score of BlazeFace, 0 to 1; tells right turns from wrong ones."""

    def window(self, room: float) -> Window:
        """A window around the face, upright with its eyes."""
        return Window(room * self.side * self.turn, self.middle)

    def mirrored(self, width: int) -> "FaceBox":
        """Box of this face in the mirror image of a picture of this width, and back."""
        place = width - self.middle.conjugate()
        return FaceBox(place, self.side, self.turn.conjugate(), self.score)


def distinct(boxes: Sequence[FaceBox]) -> list[FaceBox]:
    """The best face of those in the same place, best first."""
    kept: list[FaceBox] = []
    for box in sorted(boxes, key=lambda each: -each.score):
        if all(abs(box.middle - other.middle) > max(box.side, other.side) / 2 for other in kept):
            kept.append(box)
    return kept


def mean_box(views: Sequence[FaceBox]) -> FaceBox:
    """Mean box of a face in several views, with the lowest score."""
    turn = sum(box.turn for box in views)
    return FaceBox(
        sum(box.middle for box in views) / len(views),
        float(np.mean([box.side for box in views])),
        turn / abs(turn) if turn else 1.0 + 0j,
        min(box.score for box in views),
    )


def group_overlapping(
    middles: Complex128[np.ndarray, " m"],
    sides: Float64[np.ndarray, "m 2"],
    scores: Float64[np.ndarray, " m"],
) -> Iterator[tuple[np.ndarray, float]]:
    """Indices of overlapping boxes and their best score, best first."""
    centers = to_points(middles)
    low, high, areas = centers - sides / 2, centers + sides / 2, sides.prod(axis=1)
    left = np.argsort(-scores)
    while len(left):
        first = left[0]
        overlap = np.minimum(high[left], high[first]) - np.maximum(low[left], low[first])
        shared = np.clip(overlap, 0, None).prod(axis=1)
        same = shared > SAME_BOX * (areas[left] + areas[first] - shared)
        same[0] = True
        yield left[same], float(scores[first])
        left = left[~same]
