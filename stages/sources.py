"""The sources of `prepare`: which parameters each has, and the plan that each makes of them."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import mimic3d
from mimic3d.config import Config
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.photos.container import open_container
from mimic3d.preparation.poses.face import load_face_mesh
from mimic3d.preparation.poses.face_models import FOLDER, fetch_face_models
from mimic3d.preparation.sources.estimated import (
    LandmarksConfig,
    PhotosConfig,
    find_landmarks,
    plan_faces,
    plan_landmarks,
)
from mimic3d.preparation.sources.external import ExternalConfig, check_external, plan_external
from mimic3d.preparation.sources.given import GivenConfig, plan_given
from mimic3d.preparation.sources.photo_set import PhotoRequest, PhotoSetConfig
from mimic3d.preparation.sources.plan import DatasetPlan, below, plan_synthetic
from mimic3d.preparation.sources.synthetic import SyntheticConfig

RAW = Path("data") / "raw"  # DVC watches this folder
LEARN = "learn"


class SourceConfig(Config):
    """Where images and cameras come from, and what an image must be."""

    source: Literal["synthetic", "photos", "landmarks", "given", "external"] = "synthetic"
    """synthetic: procedural heads; photos: of faces; landmarks: photos of anything with landmarks;
    given: images with cameras; external: photos whose cameras another program finds."""
    resolution: int = Field(default=64, ge=16, le=1024)
    """Width and height of the images, pixels; a power of two."""
    seed: NonNegativeInt = 0
    """Of heads, cameras and the choice of validation images."""
    alpha: Literal["composite", "drop"] = "composite"
    """Transparent parts of photos. composite: show the scene's background, white or black; drop:
    show their hidden colours, as EG3D's tool does."""
    gates: GatesConfig = GatesConfig()
    """What a photo must be to be kept; used with all sources but synthetic."""
    synthetic: SyntheticConfig = SyntheticConfig()
    """Used with source synthetic."""
    photos: PhotosConfig = PhotosConfig()
    """Used with source photos."""
    landmarks: LandmarksConfig = LandmarksConfig()
    """Used with source landmarks."""
    given: GivenConfig = GivenConfig()
    """Used with source given."""
    external: ExternalConfig = ExternalConfig()
    """Used with source external."""


def check_source(cfg: SourceConfig, root: Path) -> None:
    """Raises ValueError if there is nothing to read; runs and downloads nothing."""
    raw = root / RAW
    match cfg.source:
        case "photos":
            plan_faces(cfg.photos, raw, _photo_request(cfg), root / FOLDER)
        case "landmarks":
            find_landmarks(cfg.landmarks, raw)
            _read_template(cfg.landmarks, raw)
        case "given":
            plan_source(cfg, root, root)
        case "external":
            check_external(cfg.external, raw)


def plan_source(cfg: SourceConfig, root: Path, workspace: Path) -> DatasetPlan[Any]:
    """The tasks of the source; what another program does for it stays in `workspace`."""
    raw = root / RAW
    request = _photo_request(cfg)
    match cfg.source:
        case "synthetic":
            return plan_synthetic(cfg.synthetic, cfg.seed, cfg.resolution)
        case "photos":
            fetch_face_models(root / FOLDER)
            load_face_mesh(root / FOLDER)  # says here, not in a worker, if OpenCV is missing
            return plan_faces(cfg.photos, raw, request, root / FOLDER)
        case "landmarks":
            return plan_landmarks(cfg.landmarks, raw, request, _read_template(cfg.landmarks, raw))
        case "given":
            return plan_given(cfg.given, raw, request)
        case "external":
            return plan_external(cfg.external, raw, request, workspace)


def stamp_source(cfg: SourceConfig, root: Path) -> list[str]:
    """Changes with the inputs of the source, and with the code that reads them."""
    code = hashlib.sha256()
    library = Path(mimic3d.__file__).parent
    for package in ("data", "preparation", "synthetic"):
        for path in sorted((library / package).rglob("*.py")):
            code.update(path.read_bytes())
    group = getattr(cfg, cfg.source)
    if not isinstance(group, PhotoSetConfig):
        return [code.hexdigest()]
    raw, key = root / RAW, f"prepare.{cfg.source}.path"
    open_container.cache_clear()  # the files may have changed since this process looked last
    photos = open_container(below(raw, group.path, key), group.image_column).stamp()
    beside = [group.reject_list, *(getattr(group, name, "") for name in ("table", "template"))]
    stats = [(raw / name).stat() for name in beside if name and (raw / name).is_file()]
    return [code.hexdigest(), photos, *(f"{s.st_size} {s.st_mtime_ns}" for s in stats)]


def _photo_request(cfg: SourceConfig) -> PhotoRequest:
    return PhotoRequest(cfg.resolution, cfg.seed, cfg.gates, cfg.alpha)


def _read_template(cfg: LandmarksConfig, raw: Path) -> object:
    """The contents of the template's file; nothing if it is to be learnt."""
    if cfg.template == LEARN:
        return None
    key = "prepare.landmarks.template"
    path = below(raw, cfg.template, key)
    try:
        return YAML(typ="safe").load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{key} must be YAML, {path} is not: {error}") from None
