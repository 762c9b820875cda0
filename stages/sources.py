"""Sources of `prepare`: the parameters of each, and the plan that it makes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

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
from pipeline.project import DATA

RAW = Path(DATA) / "raw"  # DVC watches this folder
LEARN = "learn"


@dataclass(frozen=True)
class SourceContext:
    """Inputs of a source beside its own parameters."""

    raw: Path
    """Folder of the inputs, data/raw/."""
    request: PhotoRequest
    models: Path
    """Folder of downloaded networks."""
    workspace: Path
    """Folder of the results of another program that the source runs."""


@dataclass(frozen=True)
class DataSource:
    """A row of the table of sources: an annotation of the source's parameters in `SourceConfig`."""

    plan: Callable[[Any, SourceContext], DatasetPlan[Any]]
    """The tasks, from the source's parameters."""
    check: Callable[[Any, SourceContext], object] | None = None
    """Raises ValueError for mistakes that show before any work; None: there is nothing to read."""


def _plan_synthetic(cfg: SyntheticConfig, context: SourceContext) -> DatasetPlan[Any]:
    return plan_synthetic(cfg, context.request.seed, context.request.resolution)


def _check_faces(cfg: PhotosConfig, context: SourceContext) -> DatasetPlan[Any]:
    return plan_faces(cfg, context.raw, context.request, context.models)


def _plan_faces(cfg: PhotosConfig, context: SourceContext) -> DatasetPlan[Any]:
    fetch_face_models(context.models)
    load_face_mesh(context.models)  # says here, not in a worker, if OpenCV is missing
    return _check_faces(cfg, context)


def _check_landmarks(cfg: LandmarksConfig, context: SourceContext) -> None:
    find_landmarks(cfg, context.raw)
    _read_template(cfg, context.raw)


def _plan_landmarks(cfg: LandmarksConfig, context: SourceContext) -> DatasetPlan[Any]:
    return plan_landmarks(cfg, context.raw, context.request, _read_template(cfg, context.raw))


def _plan_given(cfg: GivenConfig, context: SourceContext) -> DatasetPlan[Any]:
    """The plan of the check before, if parameters and files are the same since."""
    open_container.cache_clear()  # the files may have changed since this process looked last
    path = below(context.raw, cfg.path, "prepare.given.path")
    files = open_container(path, cfg.image_column).content_hash()
    beside = context.raw / cfg.reject_list
    vetoes = beside.read_bytes() if cfg.reject_list and beside.is_file() else b""
    key = f"{cfg!r} {context.raw} {context.request!r} {files} {vetoes!r}"
    if key not in _given_plans:
        plan = plan_given(cfg, context.raw, context.request)
        _given_plans.clear()
        _given_plans[key] = plan
    return _given_plans[key]


_given_plans: dict[str, DatasetPlan[Any]] = {}
"""The last plan of this process: to check it is to make it, which reads all cameras."""


def _check_external(cfg: ExternalConfig, context: SourceContext) -> None:
    check_external(cfg, context.raw)


def _plan_external(cfg: ExternalConfig, context: SourceContext) -> DatasetPlan[Any]:
    return plan_external(cfg, context.raw, context.request, context.workspace)


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


class SourceConfig(Config):
    """Source of images and cameras, and requirements on images.

    Every field that is annotated with a `DataSource` is a value of `source`.
    """

    source: str = "synthetic"
    """Source of images and cameras. synthetic: procedural heads; photos: of faces; landmarks:
    photos of anything with landmarks; given: images with cameras; external: photos whose cameras
    another program finds."""
    resolution: int = Field(default=64, ge=16, le=1024)
    """Width and height of the images, pixels; a power of two."""
    seed: NonNegativeInt = 0
    """Seed of heads, cameras and the choice of validation images."""
    alpha: Literal["composite", "drop"] = "composite"
    """Transparent parts of photos. composite: show the scene's background, white or black; drop:
    show their hidden colours, as EG3D's tool does."""
    gates: GatesConfig = GatesConfig()
    """Gates that a photo must pass to be kept; used with all sources but synthetic."""
    synthetic: Annotated[SyntheticConfig, DataSource(_plan_synthetic)] = SyntheticConfig()
    """Parameters of source synthetic."""
    photos: Annotated[PhotosConfig, DataSource(_plan_faces, _check_faces)] = PhotosConfig()
    """Parameters of source photos."""
    landmarks: Annotated[LandmarksConfig, DataSource(_plan_landmarks, _check_landmarks)] = (
        LandmarksConfig()
    )
    """Parameters of source landmarks."""
    given: Annotated[GivenConfig, DataSource(_plan_given, _plan_given)] = GivenConfig()
    """Parameters of source given."""
    external: Annotated[ExternalConfig, DataSource(_plan_external, _check_external)] = (
        ExternalConfig()
    )
    """Parameters of source external."""

    @field_validator("source")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in data_sources():
            raise ValueError(f"must be one of {', '.join(data_sources())}, is {value}")
        return value


def data_sources() -> dict[str, DataSource]:
    """The table of sources, by their values of `prepare.source`."""
    rows = {
        name: next((row for row in field.metadata if isinstance(row, DataSource)), None)
        for name, field in SourceConfig.model_fields.items()
    }
    return {name: row for name, row in rows.items() if row is not None}


def check_source(cfg: SourceConfig, root: Path) -> None:
    """Raises ValueError if there is nothing to read; runs and downloads nothing."""
    check = data_sources()[cfg.source].check
    if check is not None:
        check(getattr(cfg, cfg.source), _context(cfg, root, root))


def plan_source(cfg: SourceConfig, root: Path, workspace: Path) -> DatasetPlan[Any]:
    """The tasks of the source; what another program does for it stays in `workspace`."""
    plan = data_sources()[cfg.source].plan
    return plan(getattr(cfg, cfg.source), _context(cfg, root, workspace))


def hash_source(cfg: SourceConfig, root: Path) -> list[str]:
    """Changes with the files that the source reads; nothing if it reads none."""
    group = getattr(cfg, cfg.source)
    if not isinstance(group, PhotoSetConfig):
        return []
    raw, key = root / RAW, f"prepare.{cfg.source}.path"
    open_container.cache_clear()  # the files may have changed since this process looked last
    photos = open_container(below(raw, group.path, key), group.image_column).content_hash()
    beside = [group.reject_list, *(getattr(group, name, "") for name in ("table", "template"))]
    stats = [(raw / name).stat() for name in beside if name and (raw / name).is_file()]
    return [photos, *(f"{s.st_size} {s.st_mtime_ns}" for s in stats)]


def _context(cfg: SourceConfig, root: Path, workspace: Path) -> SourceContext:
    request = PhotoRequest(cfg.resolution, cfg.seed, cfg.gates, cfg.alpha)
    return SourceContext(root / RAW, request, root / FOLDER, workspace)
