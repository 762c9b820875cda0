"""Images whose cameras are known: gates over all of them, and one frame for all cameras."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from pydantic import PositiveFloat

from mimic3d.cameras import Point, Scene
from mimic3d.data.schema import Normalization
from mimic3d.preparation.cameras.normalize import normalize_cameras, outlying_distances
from mimic3d.preparation.cameras.table import CameraTable, square_focals
from mimic3d.preparation.gates import GatesConfig, check_rotation
from mimic3d.preparation.pose import PoseEstimator, Reject
from mimic3d.preparation.reasons import explain
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.crop import Photo
from mimic3d.preparation.sources.given_cameras import GivenCameras
from mimic3d.preparation.sources.mirrored_copies import find_mirrored_copies
from mimic3d.preparation.sources.photo_set import (
    PhotoRequest,
    PhotoSet,
    PhotoSetConfig,
    plan_photos,
    state_scene,
)
from mimic3d.preparation.sources.plan import DatasetPlan

EG3D_SCENE = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))  # of its FFHQ labels
UP = np.array([0.0, 1.0, 0.0])
MAX_REPAIR = 0.01  # of an axis' length; published labels have 3 or 4 digits
NOTES = ("cameras are of the stored pixels: EXIF orientation turns no image",)


class PosedSetConfig(PhotoSetConfig):
    """Images with cameras, and the frame that the cameras are in."""

    normalize: Literal["auto", "always", "never"] = "auto"
    """Choice of cameras to move so that their axes meet in the origin, up is y and the median
    distance is `radius`. auto: those in a frame of their own (transforms.json, COLMAP, tables)."""
    up: Literal["cameras", "world"] = "cameras"
    """Up direction of moved cameras: against the images' mean down, or the file's own."""
    radius: PositiveFloat | None = None
    """Distance of the cameras from orbit_center, world units; null: 2.7 (EG3D)."""
    orbit_center: Point | None = None
    """Centre of the sphere of cameras; null: the origin, as in EG3D's labels."""
    pivot: Point | None = None
    """Point that orbits rendered for viewing look at; null: the origin; EG3D uses (0, 0, 0.2) for
    FFHQ."""
    focal: PositiveFloat | None = None
    """Focal length divided by the image width, of orbits rendered for viewing; null: the cameras'
    median."""


def plan_posed(
    cfg: PosedSetConfig,
    key: str,
    photos: PhotoSet,
    cameras: GivenCameras,
    request: PhotoRequest,
    estimator: str,
    build_poses: Callable[[CameraTable], PoseEstimator],
    is_given: bool,
) -> DatasetPlan[Photo]:
    """The plan for images whose cameras are known, after the gates that need all of them."""
    photo_names = set(photos.names)  # a veto may be one of the camera
    named = np.array([name in photo_names for name in cameras.table.images], dtype=bool)
    table, notes = _repair_rotations(cameras.table.select(named), request.gates)
    table, insane = _drop_insane(table, request.gates)
    if not len(table):
        raise ValueError(
            f"{key} must have a camera that is one, has none of {len(insane)} "
            f"({explain(insane[0]) if insane else 'none is left'}); look at the file of cameras"
        )
    moves = cfg.normalize == "always" or (cfg.normalize == "auto" and cameras.is_foreign)
    if moves:
        table, scene, normalization = _move(cfg, key, table, cameras.has_up)
    else:
        scene, normalization = _stated_scene(cfg, key, table), None
    table, far_off = _drop_outlying(table, scene, request.gates)
    return plan_photos(
        photos,
        estimator,
        partial(build_poses, table),
        scene,
        request,
        names=[name for name in photos.names if name in table.rows],
        identities=dict(zip(table.images, table.identities, strict=True)),
        rejected=[*cameras.rejected, *insane, *far_off],
        normalization=normalization,
        is_given=is_given,
        stated_splits=cameras.splits,
        mirrored_copies=find_mirrored_copies(table, photos.container) if is_given else {},
        notes=[*NOTES, *cameras.notes, *notes] if is_given else (),
    )


def _repair_rotations(table: CameraTable, gates: GatesConfig) -> tuple[CameraTable, list[str]]:
    """The nearest rotations of matrices that are off by up to `MAX_REPAIR`, and how many."""
    cam2world, repaired = table.cam2world.copy(), 0.0
    num = 0
    for matrix in cam2world:
        if check_rotation(matrix, gates) is None or not np.isfinite(matrix).all():
            continue
        left, stretch, right = np.linalg.svd(matrix[:3, :3])
        error = float(np.abs(stretch - 1).max())
        if error <= MAX_REPAIR + 1e-6 and np.linalg.det(left @ right) > 0:
            matrix[:3, :3] = left @ right
            num, repaired = num + 1, max(repaired, error)
    if not num:
        return table, []
    note = f"{num} rotations that were off by up to {repaired:.2%} are set to the nearest rotation"
    return replace(table, cam2world=cam2world), [note]


def _drop_insane(table: CameraTable, gates: GatesConfig) -> tuple[CameraTable, list[Rejected]]:
    checked = [check_rotation(matrix, gates) for matrix in table.cam2world]
    focals = table.intrinsics[:, 0, 0]
    rejects = [
        reject or (None if focal > 0 else Reject("focal", float(focal), 0.0))
        for reject, focal in zip(checked, focals, strict=True)
    ]
    return _split(table, rejects)


def _drop_outlying(
    table: CameraTable, scene: Scene, gates: GatesConfig
) -> tuple[CameraTable, list[Rejected]]:
    limit = gates.max_radius_deviation
    if limit is None:
        return table, []
    distances = _distances(table, scene)
    is_far, scores = outlying_distances(distances, limit)
    pairs = zip(is_far, scores, strict=True)
    return _split(table, [Reject("radius", float(s), limit) if far else None for far, s in pairs])


def _split(
    table: CameraTable, rejects: Iterable[Reject | None]
) -> tuple[CameraTable, list[Rejected]]:
    verdicts = list(rejects)
    kept = np.array([reject is None for reject in verdicts], dtype=bool)
    pairs = zip(table.images, verdicts, strict=True)
    return table.select(kept), [Rejected(name, reject) for name, reject in pairs if reject]


def _move(
    cfg: PosedSetConfig, key: str, table: CameraTable, has_up: bool
) -> tuple[CameraTable, Scene, Normalization]:
    if cfg.up == "world" and not has_up:
        raise ValueError(f"{key}.up must be cameras for COLMAP, whose world has no up; change it")
    radius = cfg.radius or EG3D_SCENE.radius
    focal = float(np.median(square_focals(table)))
    up = UP if cfg.up == "world" else None
    table, moved = normalize_cameras(table, focal, radius, up)
    suggested = EG3D_SCENE.model_copy(
        update={
            "radius": radius,
            "focal": focal,
            "near": moved.near,
            "far": moved.far,
            "box_warp": moved.box_warp,
        }
    )
    return table, state_scene(suggested, cfg, key), moved


def _stated_scene(cfg: PosedSetConfig, key: str, table: CameraTable) -> Scene:
    focal = float(np.median(square_focals(table)))
    scene = state_scene(EG3D_SCENE.model_copy(update={"focal": focal}), cfg, key)
    median = float(np.median(np.linalg.norm(table.cam2world[:, :3, 3], axis=1)))
    if not scene.near < median < scene.far:
        raise ValueError(
            f"{key}.near and far must be before and behind the origin, the middle of the box, at a "
            f"median distance of {median:.4g} from the cameras; they are {scene.near} and "
            f"{scene.far}: state them, or let {key}.normalize: always move the cameras"
        )
    return scene


def _distances(table: CameraTable, scene: Scene) -> np.ndarray:
    return np.linalg.norm(table.cam2world[:, :3, 3] - np.asarray(scene.orbit_center), axis=1)
