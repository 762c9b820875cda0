"""Cameras of photos of faces. Without torch; OpenCV is the optional extra `pose`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Complex128, UInt8
from PIL import Image
from pydantic import Field, NonNegativeFloat, PositiveFloat

from mimic3d.preparation.pose import PoseResult, Reject
from mimic3d.preparation.poses.face_models import find_face_models
from mimic3d.preparation.poses.face_template import face_template, mesh_indices
from mimic3d.preparation.poses.facemesh import Face, FaceMesh
from mimic3d.preparation.poses.fit import FitConfig, fit_pose
from mimic3d.preparation.poses.image_pyramid import ImagePyramid
from mimic3d.preparation.poses.lookat import fit_look_at, to_points


class FaceConfig(FitConfig):
    """Which faces are taken, and how they are cropped."""

    min_score: float = Field(default=0.5, gt=0, lt=1)
    """Least score of BlazeFace, 0 to 1 (MediaPipe)."""
    min_presence: float = Field(default=0.5, gt=0, lt=1)
    """Least presence of the face mesh, 0 to 1, in the photo and in its mirror image (MediaPipe);
    cats, dolls and the backs of heads have less."""
    max_runner_up: float = Field(default=0.6, gt=0)
    """Photos whose second largest face has more than this share of the area of the largest are
    rejected, otherwise the largest is taken; our choice."""
    min_face_px: NonNegativeFloat = 25
    """Least width or height, the larger one, of the landmarks of a face, pixels; smaller ones were
    found, but their poses were fragile."""
    max_yaw_disagreement_deg: PositiveFloat = 10
    """Photo and mirror image must agree on the yaw, degrees; our choice, after WildHead."""
    max_pitch_disagreement_deg: PositiveFloat = 8
    """Photo and mirror image must agree on the pitch, degrees; our choice."""
    template_size: PositiveFloat = 1.0
    """Size of the template, about the pivot: faces are this much larger in the world and in the
    crops. 0.92 comes near the framing of FFHQ."""


@dataclass(frozen=True, eq=False)
class _Find:
    """A face in one of the two views."""

    face: Face
    landmarks: Complex128[np.ndarray, " m"]
    """Of the template, pixels of the photo."""
    middle: complex
    is_mirrored: bool


@dataclass(frozen=True)
class _Sighting:
    """A face in the photo and in its mirror image."""

    views: tuple[Complex128[np.ndarray, " m"], ...]
    """Landmarks of the template, pixels of the photo; one view if the other lacks the face."""
    presence: float
    """The lower one; 0 with one view."""
    sides: tuple[float, float]
    """Of the bounding box, pixels."""


class FacePoses:
    """Finds the face and fits the built-in template to its landmarks.

    The landmarks of photo and mirror image are averaged, so that the camera of a mirrored photo is
    the mirrored camera. Photos must have been turned as their EXIF data says.

    Gates: no_face, presence, several_faces, face_size, flip_yaw, flip_pitch, square (crop none
    only), reprojection.
    """

    name = "photos"

    def __init__(self, cfg: FaceConfig, models: Path) -> None:
        self._cfg = cfg
        self._models = models
        self._template = face_template(cfg.template_size)

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The camera of the largest face of an RGB photo, or the gate that it fails.

        Raises:
            ValueError: OpenCV or the networks are missing.
        """
        cfg = self._cfg
        sightings, score = self._look(np.asarray(image))
        if not sightings:
            return Reject("no_face", score, cfg.min_score)
        faces = [face for face in sightings if face.presence >= cfg.min_presence]
        if not faces:
            best = max(face.presence for face in sightings)
            return Reject("presence", best, cfg.min_presence)
        faces.sort(key=lambda face: -face.sides[0] * face.sides[1])
        areas = [face.sides[0] * face.sides[1] for face in faces]
        if len(faces) > 1 and areas[1] > cfg.max_runner_up * areas[0]:
            return Reject("several_faces", areas[1] / areas[0], cfg.max_runner_up)
        face = faces[0]
        if max(face.sides) < cfg.min_face_px:
            return Reject("face_size", max(face.sides), cfg.min_face_px)
        reject = self._check_agreement(face)
        if reject is not None:
            return reject
        landmarks = to_points((face.views[0] + face.views[1]) / 2)
        weights = np.ones(len(landmarks))
        return fit_pose(cfg, self._template, landmarks, weights, image.size, face.presence)

    def _look(self, pixels: UInt8[np.ndarray, "h w 3"]) -> tuple[list[_Sighting], float]:
        """All faces, and the best score of BlazeFace."""
        template, cfg, width = self._template, self._cfg, pixels.shape[1]
        mesh, points = load_face_mesh(self._models), mesh_indices(template)
        finds, scores = [], []
        for is_mirrored in (False, True):
            view = ImagePyramid(np.ascontiguousarray(pixels[:, ::-1] if is_mirrored else pixels))
            faces, score = mesh.find(view, cfg.min_score, cfg.min_presence)
            scores.append(score)
            for face in faces:
                landmarks, middle = face.points[points], face.middle
                if is_mirrored:  # back into the photo; left is right
                    landmarks = width - face.points[points[template.twins]].conj()
                    middle = width - middle.conjugate()
                finds.append(_Find(face, landmarks, middle, is_mirrored))
        finds.sort(key=lambda find: (find.face.presence < cfg.min_presence, -find.face.score))
        return _pair(finds), max(scores)

    def _check_agreement(self, face: _Sighting) -> Reject | None:
        """Rejects a face whose pose in the mirror is another one."""
        cfg, template = self._cfg, self._template
        views = to_points(np.stack(face.views))
        fit = fit_look_at(views, np.ones(views.shape[:2]), template.points, template.orbit)
        yaw, pitch = np.degrees(np.abs(np.diff(fit.angles, axis=0)))[0].tolist()
        if yaw > cfg.max_yaw_disagreement_deg:
            return Reject("flip_yaw", yaw, cfg.max_yaw_disagreement_deg)
        if pitch > cfg.max_pitch_disagreement_deg:
            return Reject("flip_pitch", pitch, cfg.max_pitch_disagreement_deg)
        return None


@cache
def load_face_mesh(models: Path) -> FaceMesh:
    """The networks, once per process.

    Raises:
        ValueError: OpenCV or the networks are missing.
    """
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "finding faces needs OpenCV, it is not installed; run pip install 'mimic3d-open[pose]'"
        ) from error
    if cv2.__version__.split(".")[0] != "4":
        raise ValueError(
            f"finding faces needs OpenCV 4, installed is {cv2.__version__}; run pip install "
            f"'mimic3d-open[pose]'"
        )
    return FaceMesh(find_face_models(models))


def _pair(finds: list[_Find]) -> list[_Sighting]:
    """What was found in the same place of photo and mirror image, together; the surest first."""
    sightings, left = [], finds
    while left:
        reach = max(left[0].face.sides) / 2
        here = [find for find in left if abs(find.middle - left[0].middle) <= reach]
        left = [find for find in left if find not in here]
        views = [[f for f in here if f.is_mirrored is side] for side in (False, True)]
        best = [max(view, key=lambda find: find.face.presence) for view in views if view]
        sides = np.mean([find.face.sides for find in best], axis=0)
        sightings.append(
            _Sighting(
                tuple(find.landmarks for find in best),
                min(find.face.presence for find in best) if len(best) == 2 else 0.0,
                (float(sides[0]), float(sides[1])),
            )
        )
    return sightings
