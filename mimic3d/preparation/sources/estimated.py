"""The sources `photos` and `landmarks`: photos whose cameras are estimated here."""

import json
from functools import partial
from pathlib import Path

from mimic3d.cameras import Scene
from mimic3d.preparation.poses.face import FaceConfig, FacePoses
from mimic3d.preparation.poses.landmark_table import LandmarkTable, read_landmarks
from mimic3d.preparation.poses.landmarks import LandmarkConfig, LandmarkPoses, build_template
from mimic3d.preparation.poses.lookat import Orbit
from mimic3d.preparation.sources.crop import Photo
from mimic3d.preparation.sources.photo_set import (
    PhotoRequest,
    PhotoSet,
    PhotoSetConfig,
    find_photos,
    plan_photos,
    state_scene,
)
from mimic3d.preparation.sources.plan import DatasetPlan, below

LANDMARKS = "prepare.landmarks"

# Of EG3D, moved with the cameras: they turn about a point 0.2 before the origin.
NEAR, FAR = 2.45, 3.5


class PhotosConfig(PhotoSetConfig, FaceConfig):
    """Photos of faces."""


class LandmarksConfig(PhotoSetConfig, LandmarkConfig):
    """Photos of anything, and a table of landmarks in them."""


def plan_faces(
    cfg: PhotosConfig, raw: Path, request: PhotoRequest, models: Path
) -> DatasetPlan[Photo]:
    """Plan of one task per photo, which makes an image of every face.

    Raises:
        ValueError: There are no photos.
    """
    photos = find_photos(cfg, raw, "prepare.photos", has_objects=True)
    scene = orbit_scene(Orbit(), cfg, "prepare.photos")
    min_crop_px = (request.gates.min_crop_ratio or 0.0) * request.resolution
    build = partial(FacePoses, cfg, models, min_crop_px)
    return plan_photos(photos, FacePoses.name, build, scene, request)


def plan_landmarks(
    cfg: LandmarksConfig, raw: Path, request: PhotoRequest, template_file: object
) -> DatasetPlan[Photo]:
    """Plan of one task per photo, with or without landmarks.

    `template_file` is the contents of the template's file, if there is one.

    Raises:
        ValueError: There are no photos, or the table or the template is broken.
    """
    photos, table = find_landmarks(cfg, raw)
    template = build_template(cfg, table, template_file, LANDMARKS)
    build = partial(LandmarkPoses, cfg, table, template)
    build()  # the table must have the template's points, which is better said here than in a worker
    scene = orbit_scene(template.orbit, cfg, LANDMARKS)
    plan = plan_photos(photos, LandmarkPoses.name, build, scene, request)
    plan.files["template.json"] = json.dumps(template.describe(), indent=2) + "\n"
    return plan


def find_landmarks(cfg: LandmarksConfig, raw: Path) -> tuple[PhotoSet, LandmarkTable]:
    """The photos, and the landmarks under their names.

    Raises:
        ValueError: There are no photos, or the table is broken or names others.
    """
    photos = find_photos(cfg, raw, LANDMARKS)
    path = below(raw, cfg.table, f"{LANDMARKS}.table")
    return photos, match_table(read_landmarks(path), photos)


def orbit_scene(orbit: Orbit, cfg: PhotoSetConfig, key: str) -> Scene:
    """The scene of cameras on an orbit."""
    forward = orbit.pivot[2] - Orbit().pivot[2]
    scene = Scene(
        radius=orbit.radius,
        orbit_center=orbit.pivot,
        pivot=orbit.pivot,
        focal=orbit.focal,
        near=NEAR + forward,
        far=FAR + forward,
    )
    return state_scene(scene, cfg, key)


def match_table(table: LandmarkTable, photos: PhotoSet) -> LandmarkTable:
    """The landmarks under the photos' names, which the table may give from data/raw/ on.

    Raises:
        ValueError: The table names an image that is not there.
    """
    known = {*photos.names, *(item.image_id for item in photos.rejected)}
    prefix = "" if photos.cfg.path == "." else f"{photos.cfg.path.rstrip('/')}/"
    names = []
    for image in table.images:
        name = image if image in known else image.removeprefix(prefix)
        if name not in known:
            raise ValueError(
                f"{table.path} must name images of {photos.path}, {image} is none; correct its rows"
            )
        names.append(name)
    return LandmarkTable(table.path, tuple(names), table.names, table.positions, table.weights)
