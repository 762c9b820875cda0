"""468 points on each face of a picture, in the picture and in its mirror image; run by OpenCV.

Google's networks of MediaPipe 0.10.21 (`face_models`): BlazeFace says where faces are, the face
mesh lays its points there. Both are asked in the mirror image too, so that a mirrored picture has
the mirrored faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128

from mimic3d.preparation.poses.face_boxes import FaceBox
from mimic3d.preparation.poses.face_detector import (
    FaceDetector,
    run_network,
    sigmoid,
)
from mimic3d.preparation.poses.face_models import FaceModels
from mimic3d.preparation.poses.image_pyramid import ImagePyramid, Window
from mimic3d.preparation.poses.lookat import to_complex, to_points

MESH_PX = 192
RIGHT_EYE, LEFT_EYE = 33, 263  # points of the mesh: the subject's outer corners
MARGIN = 1.5  # of the mesh's window over the face (MediaPipe)
MAX_PASSES = 6  # of the mesh: each looks where the last one found the face
NOWHERE = 0.1  # presence below which the mesh does not come back to a face
STEADY = 0.05  # of the window's side; when it moves by less the mesh lies where the face is


@dataclass(frozen=True)
class Face:
    """A face with its points, which are numbered as in MediaPipe's mesh."""

    box: FaceBox
    points: Complex128[np.ndarray, " 468"]
    """Points of the mesh, pixels of the picture."""
    mirrored_points: Complex128[np.ndarray, " 468"]
    """Points in the mirror image, in its pixels: left and right are exchanged."""
    presence: float
    """Confidence of the mesh that it lies on a face, 0 to 1, in the view that says less."""

    @property
    def sides(self) -> tuple[float, float]:
        """Width and height of the points' bounding box, pixels."""
        views = [_box(points)[1] for points in (self.points, self.mirrored_points)]
        width, height = np.mean(views, axis=0).tolist()
        return width, height


class FaceMesh:
    """Both networks."""

    def __init__(self, models: FaceModels) -> None:
        import cv2

        self._detector = FaceDetector(models.detector)
        self._mesh = cv2.dnn.readNetFromTFLite(str(models.mesh))

    def find(
        self, picture: ImagePyramid, min_face_px: float, min_score: float, min_presence: float
    ) -> tuple[list[Face], float]:
        """Faces, or where there are none what resembles one; and the best score of BlazeFace.

        Faces that are upright first; only where there are none, those of photos that lie on their
        side or stand on their head.
        """
        faces: list[Face] = []
        best = 0.0
        for is_turned in (False, True):
            candidates, score = self._detector.search(picture, min_face_px, min_score, is_turned)
            best = max(best, score if not candidates else 0.0)
            for candidate in candidates:
                box, score = self._detector.see_again(picture, candidate, min_score)
                best = max(best, score)
                if box is not None:
                    faces.append(self._lay_mesh(picture, box, min_presence))
            faces = _one_in_a_place(faces)
            if any(face.presence >= min_presence for face in faces):
                return [face for face in faces if face.presence >= min_presence], best
        return faces, best

    def _lay_mesh(self, picture: ImagePyramid, box: FaceBox, min_presence: float) -> Face:
        window = box.window(MARGIN)
        points, presence = self._fit(picture, window, False)
        if presence < min_presence:  # most of what is no face: the other view changes nothing
            return Face(box, points, picture.width - points.conj(), presence)
        mirrored = self._fit(picture, window.mirrored(picture.width), True)
        return Face(box, points, mirrored[0], min(presence, mirrored[1]))

    def _fit(
        self, picture: ImagePyramid, window: Window, is_mirrored: bool
    ) -> tuple[Complex128[np.ndarray, " 468"], float]:
        """The mesh and its presence, from a window on, in one of the two views."""
        points, presence = np.zeros(0, complex), 0.0
        for _ in range(MAX_PASSES):
            pixels = picture.cut(window, MESH_PX, is_mirrored).astype(np.float32) / 255
            places, logit = run_network(self._mesh, pixels, ["conv2d_21", "conv2d_31"])
            inside = places.reshape(-1, 3)[:, :2].astype(np.float64) / MESH_PX - 0.5
            points = window.scale * to_complex(inside) + window.middle
            presence = float(sigmoid(logit.reshape(-1))[0])
            if presence < NOWHERE:
                break
            last, window = window, _around(points)
            moved = abs(window.scale - last.scale) + abs(window.middle - last.middle)
            if moved < STEADY * abs(last.scale):
                break
        return points, presence


def _one_in_a_place(faces: Sequence[Face]) -> list[Face]:
    """The surest of faces whose meshes lie in the same place, largest first.

    Two candidates may have led to one face. A face seen in a wrong turn may have a presence near 1,
    but a lower score.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda each: (each.presence < 0.5, -each.box.score)):
        middle, sides = _box(face.points)
        if all(
            abs(middle - _box(other.points)[0]) > max(*sides, *other.sides) / 2 for other in kept
        ):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.sides[0] * face.sides[1])


def _around(points: Complex128[np.ndarray, " m"]) -> Window:
    """The mesh's window around a face, upright with the eyes."""
    eyes = points[LEFT_EYE] - points[RIGHT_EYE]
    turn = eyes / abs(eyes) if eyes else 1.0 + 0j
    middle, sides = _box(points / turn)
    return Window(MARGIN * max(sides) * turn, middle * turn)


def _box(points: Complex128[np.ndarray, " m"]) -> tuple[complex, tuple[float, float]]:
    """Middle, width and height of the bounding box."""
    corners = to_points(points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, height = (high - low).tolist()
    return complex(*(low + high) / 2), (width, height)
