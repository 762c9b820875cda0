"""From an image file with a given camera to a finished sample."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mimic3d.data.eg3d import Label, read_image
from mimic3d.data.gates import check_image
from mimic3d.data.poses.given import GivenPoses
from mimic3d.data.poses.protocol import Reject
from mimic3d.data.sample import Rejected, Sample, encode_png, sha256_of


@dataclass(frozen=True)
class Photo:
    """One image to import."""

    container: Path
    """Zip or folder it lies in."""
    name: str
    label: Label
    resolution: int


def develop(photo: Photo) -> Sample | Rejected:
    """The image at the wanted resolution with its camera, or the gate that it fails."""
    data = read_image(photo.container, photo.name)
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return Rejected(photo.name, Reject("unreadable", 0.0, 1.0))
    reject = check_image(image, photo.resolution)
    if reject is not None:
        return Rejected(photo.name, reject)
    estimator = GivenPoses({photo.name: photo.label})
    pose = estimator.estimate(image, photo.name)
    if isinstance(pose, Reject):
        return Rejected(photo.name, pose)
    if image.width != photo.resolution:
        image = image.resize((photo.resolution, photo.resolution), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    return Sample(
        image_id=photo.name,
        identity="",
        image=encode_png(pixels),
        pixels_sha256=sha256_of(pixels),
        pose=pose,
        source=photo.container.name,
        source_sha256=hashlib.sha256(data).hexdigest(),
        estimator=estimator.name,
    )
