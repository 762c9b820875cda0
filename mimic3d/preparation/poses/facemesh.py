"""Faces in a picture: BlazeFace finds them, the face mesh lays 468 points on each; run by OpenCV.

Google's networks of MediaPipe 0.10.21 (`face_models`). BlazeFace sees faces that are upright and
fill between a seventh and nearly all of its window, so it looks at all quarter turns and, until it
finds a face, at other windows of the picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex128, Float, Float32, Float64

from mimic3d.preparation.poses.face_models import FaceModels
from mimic3d.preparation.poses.image_pyramid import ImagePyramid, Window
from mimic3d.preparation.poses.lookat import to_complex, to_points

DETECTOR_PX = 128
MESH_PX = 192
ANCHORS = ((16, 2), (8, 6))  # cells across and anchors in each, of the short-range detector
NUM_KEYPOINTS = 6  # the first two are the eyes, the subject's right one first
SAME_BOX = 0.3  # boxes that share more of their union are the same detection (MediaPipe)
RIGHT_EYE, LEFT_EYE = 33, 263  # points of the mesh: the subject's outer corners
MARGIN = 1.5  # of the mesh's window over the face (MediaPipe)
MAX_PASSES = 6  # of the mesh: each looks where the last one found the face
STEADY = 0.05  # of the window's side; when it moves by less the mesh lies where the face is
QUARTER_TURNS = (1, 1j, -1, -1j)
WHOLE = (1.0, 1.5)  # windows over the longer side: a wide one finds faces that fill it
PART = 0.5  # window over the longer side of a part, for faces too small in the whole
PARTS = (-0.25, 0.0, 0.25)  # middles of the parts, shares of the longer side


@dataclass(frozen=True)
class Face:
    """One candidate."""

    points: Complex128[np.ndarray, " 468"]
    """Of the mesh, pixels of the picture."""
    score: float
    """How sure BlazeFace is, 0 to 1; tells right turns from wrong ones."""
    presence: float
    """How sure the mesh is that it lies on a face, 0 to 1; tells faces from other things."""

    @property
    def middle(self) -> complex:
        """Of the points' bounding box."""
        return _box(self.points)[0]

    @property
    def sides(self) -> tuple[float, float]:
        """Width and height of the points' bounding box, pixels."""
        return _box(self.points)[1]


@dataclass(frozen=True)
class _Detection:
    window: Window
    """For the mesh: around the face, upright with the eyes."""
    score: float


class FaceMesh:
    """Both networks."""

    def __init__(self, models: FaceModels) -> None:
        import cv2

        cv2.setNumThreads(1)  # workers share the cores, and sums come out the same everywhere
        self._detector = cv2.dnn.readNetFromTFLite(str(models.detector))
        self._mesh = cv2.dnn.readNetFromTFLite(str(models.mesh))
        self._anchors = _anchors()

    def find(
        self, picture: ImagePyramid, min_score: float, min_presence: float
    ) -> tuple[list[Face], float]:
        """Candidates, and the best score anywhere.

        The first windows of the picture that hold a face end the search. A face lying on its side
        is sometimes seen upright, with a presence near 1 and a wrong pose, but with a lower score:
        of detections in the same place the one with the best score is kept.
        """
        faces: list[Face] = []
        best = 0.0
        for windows in _searches(picture):
            detections = []
            for window in windows:
                in_window, score = self._detect(picture, window, min_score)
                detections += in_window
                best = max(best, score)
            candidates = [self._lay_mesh(picture, d) for d in _distinct(detections)]
            if any(face.presence >= min_presence for face in candidates):
                return candidates, best
            faces += candidates
        return faces, best

    def _detect(
        self, picture: ImagePyramid, window: Window, min_score: float
    ) -> tuple[list[_Detection], float]:
        """What BlazeFace sees in a window, and its best score."""
        pixels = picture.cut(window, DETECTOR_PX).astype(np.float32) / 127.5 - 1
        numbers, logits = _run(self._detector, pixels, ["regressors", "classificators"])
        scores = _sigmoid(logits.reshape(-1))
        is_sure = scores >= min_score
        numbers = numbers.reshape(len(scores), NUM_KEYPOINTS + 2, 2)[is_sure] / DETECTOR_PX
        sides = numbers[:, 1].astype(np.float64)
        places = to_complex(np.delete(numbers, 1, axis=1).astype(np.float64))  # middle, keypoints
        places += (self._anchors[is_sure] - 0.5 - 0.5j)[:, None]
        detections = []
        for group, score in _group(places[:, 0], sides, scores[is_sure]):
            weights = scores[is_sure][group] / scores[is_sure][group].sum()
            middle, right_eye, left_eye = (weights @ places[group])[:3]
            turn = _unit(left_eye - right_eye)
            side = MARGIN * float((weights @ sides[group]).max())
            detections.append(_Detection(window.inner(side * turn, middle), score))
        return detections, float(scores.max())

    def _lay_mesh(self, picture: ImagePyramid, detection: _Detection) -> Face:
        """The mesh on a detected face."""
        window, points, presence = detection.window, np.zeros(0, complex), 0.0
        for _ in range(MAX_PASSES):
            pixels = picture.cut(window, MESH_PX).astype(np.float32) / 255
            places, logit = _run(self._mesh, pixels, ["conv2d_21", "conv2d_31"])
            inside = places.reshape(-1, 3)[:, :2].astype(np.float64) / MESH_PX - 0.5
            points = window.scale * to_complex(inside) + window.middle
            presence = float(_sigmoid(logit.reshape(-1))[0])
            last, window = window, _around(points)
            moved = abs(window.scale - last.scale) + abs(window.middle - last.middle)
            if moved < STEADY * abs(last.scale):
                break
        return Face(points, detection.score, presence)


def _searches(picture: ImagePyramid) -> Iterator[list[Window]]:
    """Windows to look at together, at all quarter turns: the whole picture, then its parts."""
    side, middle = float(max(picture.width, picture.height)), picture.middle
    for room in WHOLE:
        yield [Window(room * side * turn, middle) for turn in QUARTER_TURNS]
    offsets = [side * complex(x, y) for x in PARTS for y in PARTS]
    yield [Window(PART * side * t, middle + offset) for offset in offsets for t in QUARTER_TURNS]


def _distinct(detections: list[_Detection]) -> list[_Detection]:
    """The best of those in the same place."""
    kept: list[_Detection] = []
    for one in sorted(detections, key=lambda d: -d.score):
        radius = abs(one.window.scale) / MARGIN / 2
        if all(abs(one.window.middle - other.window.middle) > radius for other in kept):
            kept.append(one)
    return kept


def _around(points: Complex128[np.ndarray, " m"]) -> Window:
    """The mesh's window around a face, upright with the eyes."""
    turn = _unit(points[LEFT_EYE] - points[RIGHT_EYE])
    middle, sides = _box(points / turn)
    return Window(MARGIN * max(sides) * turn, middle * turn)


def _box(points: Complex128[np.ndarray, " m"]) -> tuple[complex, tuple[float, float]]:
    """Middle, width and height of the bounding box."""
    corners = to_points(points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, height = (high - low).tolist()
    return complex(*(low + high) / 2), (width, height)


def _run(network: Any, pixels: Float32[np.ndarray, "h w 3"], outputs: list[str]) -> Any:
    network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
    return network.forward(outputs)


def _anchors() -> Complex128[np.ndarray, " m"]:
    """Middles of the detector's anchors, shares of the window."""
    middles = []
    for cells, num in ANCHORS:
        steps = (np.arange(cells) + 0.5) / cells
        middles.append(np.repeat((steps[None, :] + 1j * steps[:, None]).ravel(), num))
    return np.concatenate(middles)


def _group(
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


def _unit(number: complex) -> complex:
    """The direction; 1 for 0."""
    return number / abs(number) if number else 1.0 + 0j


def _sigmoid(logits: Float[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
