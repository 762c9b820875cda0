"""Cameras of photos of faces. Without torch; OpenCV is the optional extra `pose`."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64
from PIL import Image
from pydantic import Field, NonNegativeFloat, PositiveFloat

from mimic3d.preparation.pose import Detection, Estimate, PoseResult, Reject
from mimic3d.preparation.poses.face_detector import MIN_FRACTION
from mimic3d.preparation.poses.face_models import find_face_models
from mimic3d.preparation.poses.face_template import face_template, mesh_indices
from mimic3d.preparation.poses.facemesh import Face, FaceMesh
from mimic3d.preparation.poses.fit import FitConfig, fit_pose
from mimic3d.preparation.poses.image_pyramid import ImagePyramid
from mimic3d.preparation.poses.lookat import fit_look_at, to_points

BOX_PER_CROP = 0.5  # least side of BlazeFace's box over that of the crop; 0.66 of a frontal face
MAX_SHARED = 0.5  # crops that share more of their union show the same face


class FaceConfig(FitConfig):
    """Choice of faces, and their crops."""

    faces: Literal["all", "largest"] = "all"
    """Faces taken. all: every face of a photo is an image (as in FFHQ), the second one is called
    NAME#2 and so on, and all are in the split of their photo; largest: one face of a photo. With
    crop none always the largest, as the photo stays whole."""
    min_score: float = Field(default=0.5, gt=0, lt=1)
    """Least score of BlazeFace, 0 to 1 (MediaPipe)."""
    min_presence: float = Field(default=0.5, gt=0, lt=1)
    """Least presence of the face mesh, 0 to 1, in the photo and in its mirror image (MediaPipe);
    cats and the backs of heads have less. Drawn and rendered faces have 0.9 and more as
    photographed ones do: where they are not wanted, leave them out by `reject_list`."""
    max_runner_up: float = Field(default=0.6, gt=0)
    """Greatest area of the second largest face, share of that of the largest, with faces largest:
    photos with more are rejected, otherwise the largest is taken; our choice."""
    min_face_px: NonNegativeFloat = 25
    """Least width or height, the larger one, of the landmarks of a face, pixels; smaller ones were
    found, but their poses were fragile."""
    max_yaw_disagreement_deg: PositiveFloat = 10
    """Greatest difference in yaw of photo and mirror image, degrees; our choice, after WildHead."""
    max_pitch_disagreement_deg: PositiveFloat = 8
    """Greatest difference in pitch of photo and mirror image, degrees; our choice."""
    template_size: PositiveFloat = 1.0
    """Size of the template, about the pivot: faces are this much larger in the world and in the
    crops. 0.92 comes near the framing of FFHQ."""


class FacePoses:
    """Finds the faces and fits the built-in template to their landmarks.

    The landmarks of photo and mirror image are averaged, so that the camera of a mirrored photo is
    the mirrored camera. Photos must have been turned as their EXIF data says; those that lie on
    their side nevertheless are turned upright by their faces. Faces whose crop would have fewer
    pixels than `min_crop_px` are not looked for.

    Gates: no_face, presence, several_faces (faces largest only), face_size, flip_yaw, flip_pitch,
    square (crop none only), reprojection.
    """

    name = "photos"

    def __init__(self, cfg: FaceConfig, models: Path, min_crop_px: float = 0.0) -> None:
        self._cfg = cfg
        self._models = models
        self._template = face_template(cfg.template_size)
        self._min_face_px = max(cfg.min_face_px / 2, BOX_PER_CROP * min_crop_px)

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The camera of the largest face of an RGB photo, or the gate that it fails.

        Raises:
            ValueError: OpenCV or the networks are missing.
        """
        return self.estimate_all(image, image_id)[0].result

    def estimate_all(self, image: Image.Image, image_id: str) -> Sequence[Estimate]:
        """The cameras of all faces of an RGB photo, largest first, or the gates that they fail.

        Raises:
            ValueError: OpenCV or the networks are missing.
        """
        cfg = self._cfg
        mesh = load_face_mesh(self._models)
        faces, score = mesh.find(
            ImagePyramid(image), self._min_face_px, cfg.min_score, cfg.min_presence
        )
        if not faces:
            smallest = max(self._min_face_px, max(image.size) * MIN_FRACTION)
            detail = f"of {smallest:.0f} px and more"
            return [Estimate(Reject("no_face", score, cfg.min_score), detail=detail)]
        best = max(faces, key=lambda face: face.presence)
        if best.presence < cfg.min_presence:
            reject = Reject("presence", best.presence, cfg.min_presence)
            return [Estimate(reject, _detection(best))]
        if cfg.faces == "largest" or cfg.crop == "none":
            areas = [face.sides[0] * face.sides[1] for face in faces]
            if len(faces) > 1 and areas[1] > cfg.max_runner_up * areas[0]:
                reject = Reject("several_faces", areas[1] / areas[0], cfg.max_runner_up)
                return [Estimate(reject, _detection(faces[0]))]
            faces = faces[:1]
        return _without_copies([self._fit(face, image.size) for face in faces])

    def _fit(self, face: Face, size: tuple[int, int]) -> Estimate:
        cfg, template = self._cfg, self._template
        words = f"a face of {max(face.sides):.0f} px"
        if max(face.sides) < cfg.min_face_px:
            reject = Reject("face_size", max(face.sides), cfg.min_face_px)
            return Estimate(reject, _detection(face))
        points = mesh_indices(template)
        mirrored = size[0] - face.mirrored_points[points[template.twins]].conj()
        views = to_points(np.stack([face.points[points], mirrored]))
        result: PoseResult | Reject | None = self._check_agreement(views)
        if result is None:
            landmarks, weights = views.mean(axis=0), np.ones(len(points))
            result = fit_pose(cfg, template, landmarks, weights, size, face.presence)
        return Estimate(result, _detection(face), words)

    def _check_agreement(self, views: Float64[np.ndarray, "2 m 2"]) -> Reject | None:
        """Rejects a face whose pose in the mirror is another one."""
        cfg, template = self._cfg, self._template
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


def _detection(face: Face) -> Detection:
    corners = to_points(face.points)
    left, top, right, bottom = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
    return Detection((left, top, right, bottom), face.box.score, face.presence)


def _without_copies(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Estimates without those whose crop is that of one before, all but a part."""
    kept: list[Estimate] = []
    crops: list[Float64[np.ndarray, "4 2"]] = []
    for one in estimates:
        if isinstance(one.result, PoseResult):
            crop = np.array(one.result.crop).reshape(4, 2)
            if any(_shared(crop, other) > MAX_SHARED for other in crops):
                continue
            crops.append(crop)
        kept.append(one)
    return kept


def _shared(one: Float64[np.ndarray, "4 2"], other: Float64[np.ndarray, "4 2"]) -> float:
    """Share of the union of two crops' bounding boxes that both have."""
    low = np.maximum(one.min(axis=0), other.min(axis=0))
    high = np.minimum(one.max(axis=0), other.max(axis=0))
    both = np.clip(high - low, 0, None).prod()
    areas = [np.ptp(crop, axis=0).prod() for crop in (one, other)]
    return float(both / max(sum(areas) - both, 1e-9))
