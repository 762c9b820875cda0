"""Files of cameras in a container: their kinds and places. Imports no torch."""

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["transforms", "colmap", "other"]

LABELS_FILE, TRANSFORMS_FILE = "dataset.json", "transforms.json"
OTHER_LABELS = re.compile(r"dataset[-_.]\w+\.json", re.IGNORECASE)  # of LPFF: read if it is alone
SPLIT_FILES = {
    "transforms_train.json": "train",
    "transforms_val.json": "val",
    "transforms_test.json": "val",
}
TABLES = ("cameras.csv", "cameras.parquet")
SPLIT_NAME = re.compile(r"transforms_(?:train|val|test)\.json")
COLMAP_FILES = ("cameras", "images")
COLMAP_SUFFIXES = (".txt", ".bin")  # text first: a person may have corrected it
COLMAP_FOLDER = re.compile(r"(?:^|/)(?:colmap(?:/|$))?(?:sparse(?:/\d+)?)?$")
KNOWN_FILES = (
    LABELS_FILE,
    TRANSFORMS_FILE,
    "transforms_train.json (_val, _test)",
    "COLMAP's sparse/0/ (.bin or .txt)",
    *TABLES,
)


@dataclass(frozen=True)
class CameraFiles:
    """The files of a scene that are read together."""

    kind: Kind
    paths: tuple[str, ...]
    """Files; of COLMAP the folders of sparse models."""
    scene: str
    """Folder that they are of, with a slash at its end; empty for the whole container."""


def list_camera_files(files: Iterable[str], named: str, path: object) -> CameraFiles:
    """The named file, model or folder; without a name, what the shallowest folder holds.

    Raises:
        ValueError: There is none, or several scenes have one.
    """
    known = set(files)
    models = _models(known)
    if named:
        return _named(named.rstrip("/"), known, models, path)
    scenes: dict[str, list[CameraFiles]] = {}
    for choice in _choices(known, models):
        scenes.setdefault(choice.scene, []).append(choice)
    if not scenes:
        raise ValueError(
            f"prepare.given.cameras must be a file of cameras in {path}, none is there; put a "
            f"{', '.join(KNOWN_FILES)} beside the images"
        )
    depth = min(scene.count("/") for scene in scenes)
    shallow = sorted(scene for scene in scenes if scene.count("/") == depth)
    if len(shallow) > 1:
        raise ValueError(
            f"prepare.given.cameras must name one of several files of cameras in {path}: "
            f"{', '.join(scenes[scene][0].paths[0] for scene in shallow[:4])}; or let "
            f"prepare.given.path lead to one of the scenes"
        )
    return scenes[shallow[0]][0]


def _named(named: str, known: set[str], models: Sequence[str], path: object) -> CameraFiles:
    folder, name = posixpath.split(named)
    stem, suffix = posixpath.splitext(name)
    is_colmap = stem in COLMAP_FILES and suffix in COLMAP_SUFFIXES and folder in models
    if named in known and not is_colmap:
        kind = "transforms" if name == TRANSFORMS_FILE or SPLIT_NAME.fullmatch(name) else "other"
        return CameraFiles(kind, (named,), _slash(folder))
    for model in (named, folder):
        if model in models and (model == named or named in known):
            return CameraFiles("colmap", (model,), _slash(_scene_of(model)))
    below = [choice for choice in _choices(known, models) if choice.scene == _slash(named)]
    if below:
        return below[0]
    inside = tuple(model for model in models if model.startswith(f"{named}/"))
    if inside:
        return CameraFiles("colmap", inside, _slash(_scene_of(named)))
    raise ValueError(
        f"prepare.given.cameras must be a file of cameras in {path}, {named} is none there; "
        f"put a {', '.join(KNOWN_FILES)} beside the images"
    )


def _choices(known: set[str], models: Sequence[str]) -> list[CameraFiles]:
    """Readable files of cameras, in the order of preference within a scene."""
    folders: dict[str, set[str]] = {}
    for file in known:
        folder, name = posixpath.split(file)
        folders.setdefault(folder, set()).add(name)
    choices = []
    for folder in sorted(folders):
        prefix, names = _slash(folder), folders[folder]
        others = sorted(name for name in names if OTHER_LABELS.fullmatch(name))
        if LABELS_FILE in names:
            choices.append(CameraFiles("other", (prefix + LABELS_FILE,), prefix))
        elif len(others) == 1:
            choices.append(CameraFiles("other", (prefix + others[0],), prefix))
        if TRANSFORMS_FILE in names:
            choices.append(CameraFiles("transforms", (prefix + TRANSFORMS_FILE,), prefix))
        splits = tuple(prefix + name for name in SPLIT_FILES if name in names)
        if splits:
            choices.append(CameraFiles("transforms", splits, prefix))
    by_scene: dict[str, list[str]] = {}
    for model in models:
        by_scene.setdefault(_slash(_scene_of(model)), []).append(model)
    choices += [CameraFiles("colmap", tuple(group), scene) for scene, group in by_scene.items()]
    for folder in sorted(folders):
        prefix = _slash(folder)
        choices += [
            CameraFiles("other", (prefix + table,), prefix)
            for table in TABLES
            if table in folders[folder]
        ]
    return choices


def _models(known: set[str]) -> list[str]:
    """Folders of sparse models: those with images.txt or images.bin."""
    folders = {
        posixpath.dirname(file)
        for file in known
        if posixpath.basename(file) in {f"images{suffix}" for suffix in COLMAP_SUFFIXES}
    }
    return sorted(folders, key=_numbers)


def _numbers(folder: str) -> tuple[list[int], str]:
    """Orders sparse/2 before sparse/10."""
    return [int(part) if part.isdigit() else -1 for part in folder.split("/")], folder


def _scene_of(model: str) -> str:
    """The folder that a model lies in, above sparse/0, sparse, colmap/sparse/0 and the like."""
    return COLMAP_FOLDER.sub("", model)


def _slash(folder: str) -> str:
    return f"{folder}/" if folder else ""
