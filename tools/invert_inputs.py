"""Images that are inverted: raw photos by way of `prepare`'s own code, and images of datasets."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, cameras_from_labels, position_angles
from mimic3d.data.dataset import ImageDataset
from mimic3d.data.images import decode_png
from mimic3d.data.schema import SPLITS, load_manifest
from mimic3d.inversion.targets import InversionTarget
from mimic3d.metrics.features import resize
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.photos.container import open_container
from mimic3d.preparation.poses.face import FaceConfig, FacePoses
from mimic3d.preparation.poses.face_models import FOLDER as FACE_MODELS
from mimic3d.preparation.poses.lookat import Orbit
from mimic3d.preparation.reasons import explain
from mimic3d.preparation.sample import Rejected, Sample
from mimic3d.preparation.sources.crop import Photo, PhotoProcessor
from mimic3d.preparation.sources.photo_set import background_of
from mimic3d.surfaces.pose_range import pose_range

CACHE = Path("cache")
FAR_POSE = 1.5  # angles of the training range from which on a camera is far outside
SCENE_TOLERANCE = 0.2  # share by which focal length and distance of faces may differ


@dataclass(frozen=True)
class NamedTarget:
    """A target and the name of its results."""

    name: str
    target: InversionTarget
    notes: tuple[str, ...] = ()
    """Sentences about what is unusual of it."""


@dataclass(frozen=True)
class ModelCameras:
    """What inputs must know of a generator: its scene, its poses, the side of its images."""

    scene: Scene
    average_label: tuple[float, ...]
    resolution: int


def read_inputs(
    inputs: Sequence[str], model: ModelCameras, one_person: bool
) -> tuple[list[NamedTarget], list[str]]:
    """Targets of the inputs, and a sentence for each photo of a folder that is none.

    A photo that is named itself must be one; in a folder, others are passed over.

    Raises:
        ValueError: an input is none, or two of them have one name.
    """
    targets: list[NamedTarget] = []
    refused: list[str] = []
    for text in inputs:
        if re.fullmatch(r".+:\d+", text) and not Path(text).exists():
            targets.append(_read_dataset(text, model))
        elif Path(text).is_dir():
            names = open_container(Path(text)).names
            if not names:
                raise ValueError(f"{text} must hold photos, holds none; name others")
            for name in names:
                answer = _read_photo(Path(text), name, model)
                if isinstance(answer, str):
                    refused.append(answer)
                else:
                    targets.append(answer)
        else:
            targets.append(_read_file(Path(text), model))
    if not targets:
        raise ValueError(f"no photo can be inverted: {'; '.join(refused)}")
    if one_person:
        targets = [_join(targets)]
    names = [each.name for each in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"results are named after their photos, several are called {twice[0]}; rename one, or "
            f"give --one-person if they show the same one"
        )
    return targets, refused


def _join(targets: Sequence[NamedTarget]) -> NamedTarget:
    images = torch.cat([each.target.images for each in targets])
    poses = [each.target.cameras for each in targets]
    cameras = Cameras(
        torch.cat([pose.cam2world for pose in poses]),
        torch.cat([pose.intrinsics for pose in poses]),
    )
    notes = tuple(note for each in targets for note in each.notes)
    return NamedTarget(targets[0].name, InversionTarget(images, cameras), notes)


def _read_dataset(text: str, model: ModelCameras) -> NamedTarget:
    """An image of a prepared dataset: FOLDER:INDEX of train, or FOLDER:SPLIT:INDEX."""
    place, _, number = text.rpartition(":")
    head, colon, split = place.rpartition(":")
    folder, split = (Path(head), split) if colon and split in SPLITS else (Path(place), "train")
    manifest = load_manifest(folder)
    if manifest.scene.model_copy(update={"white_back": model.scene.white_back}) != model.scene:
        raise ValueError(
            f"{text} must have the cameras of the snapshot's scene, {folder} has others; give a "
            f"dataset that was prepared like the one it was trained on"
        )
    images = ImageDataset(folder, split, CACHE)
    if int(number) >= len(images):
        raise ValueError(f"{text} must be below {len(images)}, the images of {split}; choose one")
    batch = images.batch(torch.tensor([int(number)]))
    pixels = resize(batch.image, model.resolution)
    name = f"{folder.name}-{split}-{int(number):06d}"
    return _named(name, pixels, cameras_from_labels(batch.c), model)


def _read_file(path: Path, model: ModelCameras) -> NamedTarget:
    """One photo, copied into a folder of its own, since its neighbours are none of our business."""
    if not path.is_file():
        raise ValueError(
            f"an input is a photo, a folder of photos, or DATASET:INDEX, there is no file {path}"
        )
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(path, Path(folder, path.name))
        names = open_container(Path(folder)).names
        if not names:
            raise ValueError(f"{path} must be a photo: the name has no suffix of an image")
        answer = _read_photo(Path(folder), names[0], model)
    if isinstance(answer, str):
        raise ValueError(answer)
    return answer


def _read_photo(folder: Path, name: str, model: ModelCameras) -> NamedTarget | str:
    """The largest face of a photo, or a sentence that says why there is none."""
    _check_face_scene(model.scene)
    gates = GatesConfig()
    cfg = FaceConfig(faces="largest")
    min_crop_px = (gates.min_crop_ratio or 0.0) * model.resolution
    processor = PhotoProcessor(
        container=folder,
        image_column="image",
        build_estimator=partial(FacePoses, cfg, FACE_MODELS, min_crop_px),
        estimator=FacePoses.name,
        gates=gates,
        resolution=model.resolution,
        orbit_center=Orbit().pivot,
        background=background_of(model.scene.white_back, "composite"),
    )
    outcome = processor(Photo(name))[0]
    if isinstance(outcome, Rejected):
        return f"{name} cannot be inverted: {explain(outcome)}"
    pixels = torch.from_numpy(decode_png(outcome.image).copy()).permute(2, 0, 1)[None]
    cameras = _place(outcome, model.scene)
    return _named(Path(name).stem, pixels.float() / 127.5 - 1, cameras, model)


def _place(sample: Sample, scene: Scene) -> Cameras:
    """Camera of a face in the snapshot's scene, whose orbit may have another centre."""
    cam2world = torch.from_numpy(sample.pose.cam2world.copy()).float()
    shift = torch.tensor(scene.orbit_center) - torch.tensor(Orbit().pivot)
    cam2world[:3, 3] += shift
    intrinsics = torch.from_numpy(sample.pose.intrinsics.copy()).float()
    return Cameras(cam2world[None], intrinsics[None])


def _check_face_scene(scene: Scene) -> None:
    orbit = Orbit()
    pairs = (("focal length", scene.focal, orbit.focal), ("distance", scene.radius, orbit.radius))
    for label, own, usual in pairs:
        if abs(own / usual - 1) > SCENE_TOLERANCE:
            raise ValueError(
                f"photos of faces have cameras of {label} {usual:g}, those of this snapshot have "
                f"{own:g}: it shows other things; give DATASET:INDEX of its own domain"
            )


def _named(
    name: str, images: Float[Tensor, "1 3 h w"], cameras: Cameras, model: ModelCameras
) -> NamedTarget:
    """A target, with a sentence if its camera is far outside those of the training."""
    yaw, pitch, _ = position_angles(cameras, model.scene.orbit_center)
    extent = pose_range(model.average_label)
    notes = []
    for label, angle, limit in (("aside", yaw, extent.yaw_rad), ("up", pitch, extent.pitch_rad)):
        degrees, usual = (float(torch.as_tensor(x).abs().rad2deg()) for x in (angle[0], limit))
        if degrees > FAR_POSE * usual:
            notes.append(
                f"{name} is seen from {degrees:.0f} degrees {label}, the snapshot was trained on "
                f"views up to {usual:.0f}: expect little of it"
            )
    return NamedTarget(name, InversionTarget(images, cameras), tuple(notes))
