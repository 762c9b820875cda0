"""Boxes of faces of all sizes in a picture, by BlazeFace run over it densely with OpenCV.

The network of MediaPipe 0.10.21 was made for windows of 128 px in which one face is large. It is
convolutional, so it runs over a picture of any size at the same cost per pixel; it finds faces
upright to 45 degrees. Those of less than an eighth of 128 px have faint scores, as much else has:
a glance at a small window tells them apart, in less time than a finer search takes. The search sees
one view, the picture or its mirror image, and the same one of both.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Complex128, Float, Float32, Float64, UInt8

from mimic3d.preparation.poses.face_boxes import (
    FaceBox,
    distinct,
    group_overlapping,
    mean_box,
)
from mimic3d.preparation.poses.image_pyramid import ImagePyramid, Window
from mimic3d.preparation.poses.lookat import to_complex

INPUT_PX = 128  # of the windows it was made for; also what one number of its output stands for
ANCHORS = ((8, 2), (16, 6))  # pixels between anchors and anchors in each place (short range)
NUM_KEYPOINTS = 6  # the first two are the eyes, the subject's right one first
SMALLEST_PX = 16  # faces are found from this many pixels of the network's input on (measured)
FAINT = 0.4  # their score over the least one; 88 % of faces this small have it (measured)
MAX_FAINT = 8  # of them that are looked at in each search, the best ones
FAINT_PX = (24, 17)  # boxes of up to 24 px are of faces about 17 px large (measured)
GLANCE_PX = 64  # window of a glance
GLANCE_ROOM = 2.0  # of that window over the face; faces of 27 px have the least score (measured)
STEP = 4  # between sizes at which a picture is searched: faces of 16 to 80 px are found at each
COARSEST_PX = 85  # longer side up to which faces that fill the picture have room
COARSE_PX = 170  # up to this longer side all quarter turns are cheap
BORDER_PX = 8  # black pixels around a picture, for faces at its edge
MIN_FRACTION = 1 / 42  # of the longer side; smaller faces are not looked for
QUARTER_TURNS: tuple[complex, ...] = (1, 1j, -1, -1j)
ROOM = 3.0  # of the window over the face when a face is seen again
SNAP = 64  # places of such windows in their side: rounding errors do not move them


class FaceDetector:
    """BlazeFace, short range."""

    def __init__(self, path: Path) -> None:
        import cv2

        cv2.setNumThreads(1)  # workers share the cores, and sums come out the same everywhere
        # one per size of windows, and one for whole pictures: OpenCV plans anew for another size
        self._networks = {
            side: cv2.dnn.readNetFromTFLite(str(path)) for side in (GLANCE_PX, INPUT_PX, 0)
        }

    def search(
        self, picture: ImagePyramid, min_face_px: float, min_score: float, is_turned: bool
    ) -> tuple[list[FaceBox], float]:
        """Candidates, one in a place, best first, and the best score.

        Faces of `min_face_px` and more: upright ones, and of any turn where that is cheap. With
        `is_turned` the others, in photos that lie on their side or stand on their head.
        """
        boxes: list[FaceBox] = []
        best = 0.0
        sides = search_sides(max(picture.width, picture.height), min_face_px)
        is_mirrored = picture.is_searched_mirrored
        for longer_side in sides:
            is_cheap = longer_side <= COARSE_PX
            if is_cheap and is_turned:
                continue
            turns = QUARTER_TURNS if is_cheap else QUARTER_TURNS[1:] if is_turned else (1 + 0j,)
            pixels = picture.resized(longer_side)
            scale = picture.width / pixels.shape[1]
            view = pixels[:, ::-1] if is_mirrored else pixels
            least = FAINT * min_score if longer_side == sides[-1] else min_score
            for turn in turns:
                candidates, score = self._detect(view, turn, least)
                if score < least:  # else what is seen of it from near by counts
                    best = max(best, score)
                ordered = distinct(candidates)
                num_sure = sum(one.score >= min_score for one in ordered)
                for one in ordered[: num_sure + MAX_FAINT]:
                    window = _glance_window(one, turn, scale)
                    box, score = self._nearest(picture, window, min_score, is_mirrored, GLANCE_PX)
                    best = max(best, score)
                    boxes += [] if box is None else [box]
        return distinct(boxes), best

    def see_again(
        self, picture: ImagePyramid, candidate: FaceBox, min_score: float
    ) -> tuple[FaceBox | None, float]:
        """A candidate seen from near by, in the turn that suits it and in the mirror image.

        The mean of both views, so that the mirrored picture has the mirrored box. None, and the
        best score, if neither view shows a face there.
        """
        window = _snapped(candidate, picture)
        first = min(QUARTER_TURNS, key=lambda turn: abs(turn - candidate.turn))
        near_by = Window(GLANCE_ROOM / ROOM * window.scale, window.middle)
        pixels = picture.cut(near_by, GLANCE_PX)
        scores = {turn: self._in_middle(pixels, turn, min_score)[1] for turn in QUARTER_TURNS}
        best = max((first, *QUARTER_TURNS), key=lambda turn: scores[turn])
        turns = dict.fromkeys((first, best))  # of a face that fills the small window both may err
        views = [
            self._both_views(picture, Window(window.scale * turn, window.middle), min_score)
            for turn in turns
        ]
        return max(views, key=lambda view: (view[0] is not None, view[1]))

    def _both_views(
        self, picture: ImagePyramid, window: Window, min_score: float
    ) -> tuple[FaceBox | None, float]:
        """The mean box of the face in a window and in its mirror image, and its score."""
        here, score = self._nearest(picture, window, min_score, False)
        there, in_mirror = self._nearest(picture, window.mirrored(picture.width), min_score, True)
        views = [box for box in (here, there) if box is not None]
        if not views:
            return None, max(score, in_mirror)
        box = mean_box(views)
        return box, box.score

    def _nearest(
        self, picture: ImagePyramid, window: Window, min_score: float, is_mirrored: bool,
        size: int = INPUT_PX,
    ) -> tuple[FaceBox | None, float]:  # fmt: skip
        """The best face in the middle of a window, in coordinates of the picture itself."""
        pixels = picture.cut(window, size, is_mirrored)
        box, score = self._in_middle(pixels, 1, min_score)
        if box is None:
            return None, score
        middle = (0.5 + 0.5j) * size
        inner = window.inner(box.side / size * box.turn, (box.middle - middle) / size)
        turn = inner.scale / abs(inner.scale)
        placed = FaceBox(inner.middle, abs(inner.scale), turn, box.score)
        return (placed.mirrored(picture.width) if is_mirrored else placed), box.score

    def _in_middle(
        self, pixels: UInt8[np.ndarray, "s s 3"], turn: complex, min_score: float
    ) -> tuple[FaceBox | None, float]:
        """The best face in the middle of some pixels, in these, and its score."""
        boxes, best = self._detect(pixels, turn, min_score, border=0)
        middle = (0.5 + 0.5j) * len(pixels)
        near = [box for box in boxes if abs(box.middle - middle) < len(pixels) / ROOM]
        if not near:  # a face beside the middle is another candidate's
            return None, best if best < min_score else 0.0
        box = max(near, key=lambda each: each.score)
        return box, box.score

    def _detect(
        self,
        pixels: UInt8[np.ndarray, "h w 3"],
        turn: complex,
        min_score: float,
        border: int = BORDER_PX,
    ) -> tuple[list[FaceBox], float]:
        """Faces in a picture turned by a quarter turn, in its own pixels, and the best score."""
        turned = np.rot90(pixels, QUARTER_TURNS.index(turn))
        sheet, corner = _padded(turned, border)
        network = self._networks[0 if border else len(sheet)]
        numbers, logits = run_network(
            network, sheet.astype(np.float32) / 127.5 - 1, ["regressors", "classificators"]
        )
        scores = sigmoid(logits.reshape(-1))
        is_sure = scores >= min_score
        numbers = numbers.reshape(len(scores), NUM_KEYPOINTS + 2, 2)[is_sure].astype(np.float64)
        sides = numbers[:, 1]
        places = to_complex(np.delete(numbers, 1, axis=1))  # middle, keypoints
        places += _anchors(*sheet.shape[:2])[is_sure][:, None]
        # from the middle of the turned picture to the corner of the picture itself
        half = complex(*turned.shape[1::-1]) / 2
        places = turn * (places - corner - half) + complex(*pixels.shape[1::-1]) / 2
        boxes = []
        for group, score in group_overlapping(places[:, 0], sides, scores[is_sure]):
            weights = scores[is_sure][group] / scores[is_sure][group].sum()
            middle, right_eye, left_eye = (weights @ places[group])[:3]
            eyes = left_eye - right_eye
            side = float((weights @ sides[group]).max())
            boxes.append(FaceBox(middle, side, eyes / abs(eyes) if eyes else 1.0 + 0j, score))
        return boxes, float(scores.max())


def search_sides(longer_side: float, min_face_px: float) -> list[float]:
    """Longer sides at which a picture is searched, rising by `STEP`, at most the picture's own."""
    smallest = max(min_face_px, MIN_FRACTION * longer_side)
    finest = max(COARSEST_PX / 2, longer_side * min(1.0, SMALLEST_PX / smallest))
    sides = [finest]
    while sides[0] > COARSEST_PX:
        sides.insert(0, sides[0] / STEP)
    return sides


def _glance_window(box: FaceBox, turn: complex, scale: float) -> Window:
    """A window around a candidate of a search, whose pixels are `scale` of the picture."""
    limit, usual = FAINT_PX
    side = usual if box.side <= limit else box.side
    return Window(GLANCE_ROOM * scale * side * turn, scale * box.middle)


def run_network(network: Any, pixels: Float32[np.ndarray, "h w 3"], outputs: list[str]) -> Any:
    """The outputs of a network for a picture."""
    network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
    return network.forward(outputs)


def sigmoid(logits: Float[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Probabilities of logits."""
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))


def _snapped(box: FaceBox, picture: ImagePyramid) -> Window:
    """An upright window around a face, one of a grid about the middle of the picture."""
    side = 2 ** (round(SNAP * np.log2(ROOM * box.side)) / SNAP)
    offset = (box.middle - picture.middle) * SNAP / side
    return Window(
        side, picture.middle + complex(round(offset.real), round(offset.imag)) * side / SNAP
    )


def _padded(
    pixels: UInt8[np.ndarray, "h w 3"], border: int
) -> tuple[UInt8[np.ndarray, "k l 3"], complex]:
    """A picture on a black sheet that suits the network, and the place of its corner there."""
    height, width = pixels.shape[:2]
    sizes = [-(-(side + 2 * border) // 16) * 16 for side in (height, width)]
    top, left = (sizes[0] - height) // 2, (sizes[1] - width) // 2
    sheet = np.zeros((*sizes, 3), np.uint8)
    sheet[top : top + height, left : left + width] = pixels
    return sheet, complex(left, top)


def _anchors(height: int, width: int) -> Complex128[np.ndarray, " m"]:
    """Middles of the anchors of a sheet, pixels."""
    middles = []
    for step, num in ANCHORS:
        x, y = (np.arange(side // step) * step + step / 2 for side in (width, height))
        middles.append(np.repeat((x[None, :] + 1j * y[:, None]).ravel(), num))
    return np.concatenate(middles)
