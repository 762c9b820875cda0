"""One prepared image on its way to the shards, however it was made. Imports no torch."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from mimic3d.data.poses.protocol import PoseResult, Reject

PNG_LEVEL = 1  # small enough, and decodes fastest


@dataclass(frozen=True)
class Sample:
    """A finished row: encoded image, camera, and where both came from."""

    image_id: str
    identity: str
    """Whose head it is; empty when unknown."""
    image: bytes
    """PNG, RGB, square."""
    pixels_sha256: str
    """Of the decoded pixels, and of alpha and depth where there are any."""
    pose: PoseResult
    source: str
    source_sha256: str
    estimator: str
    factors: tuple[float, ...] = ()
    mask: bytes | None = None
    """PNG, greyscale: alpha."""
    depth: bytes | None = None
    """Little-endian float32, row by row: distance along the ray."""
    look: int | None = None
    """Difference hash (`photos/duplicates.py`); None where like images are wanted."""


@dataclass(frozen=True)
class Rejected:
    """An image that did not pass a gate."""

    image_id: str
    reject: Reject
    detail: str = ""
    """What the gate's name and numbers do not say, such as a decoder's own words."""
    pose: PoseResult | None = None
    """Its camera, if it got that far."""
    thumbnail: bytes = b""
    """JPEG for a report; empty if the image cannot be read."""


def encode_png(pixels: UInt8[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w"]) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def decode_png(data: bytes) -> UInt8[np.ndarray, "..."]:
    """The pixels of a PNG file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def sha256_of(*arrays: UInt8[np.ndarray, "..."] | Float32[np.ndarray, "..."]) -> str:
    """Fingerprint of the values of some arrays, independent of how they are compressed."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
