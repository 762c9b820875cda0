"""Prepared image on its way to the shards, however it was made. Imports no torch."""

from dataclasses import dataclass

from mimic3d.preparation.pose import PoseResult, Reject


@dataclass(frozen=True)
class PhotoOrigin:
    """Origin of the image of a photo, beside its crop and camera."""

    file: str
    """Name in the folder, zip or table."""
    number: int
    """Number of the face in its photo, from 1 on."""
    width: int
    height: int
    """Height of the photo, pixels, as the crop counts them."""
    box: tuple[float, float, float, float] | None
    """Box of the detected face: left, top, right, bottom, pixels; None where none was detected."""
    score: float | None
    """Score of the detector; None as the box."""
    colours: str
    """Name of the ICC profile in the file; empty without one."""
    focal_mm: float
    """Focal length by EXIF, mm; 0 if unknown."""
    focal_35mm: float
    """Focal length for film of 36 x 24 mm, mm; 0 if unknown."""


@dataclass(frozen=True)
class Sample:
    """A finished row: encoded image, camera, and where both came from."""

    image_id: str
    identity: str
    """Identity of the subject; empty when unknown."""
    image: bytes
    """Image as PNG, RGB, square."""
    pixels_sha256: str
    """SHA-256 of the decoded pixels, and of alpha and depth where there are any."""
    pose: PoseResult
    source: str
    source_sha256: str
    estimator: str
    factors: tuple[float, ...] = ()
    mask: bytes | None = None
    """Alpha as PNG, greyscale."""
    depth: bytes | None = None
    """Distance along the ray: little-endian float32, row by row."""
    photo: PhotoOrigin | None = None
    """Origin in a photo; None where it was rendered."""
    dhash: int | None = None
    """Difference hash (`photos/duplicates.py`); None where like images are kept."""
    miniature: bytes = b""
    """Greys that like images share (`photos/duplicates.py`); empty where these are kept."""


@dataclass(frozen=True)
class Rejected:
    """An image that did not pass a gate."""

    image_id: str
    reject: Reject
    detail: str = ""
    """Facts that the gate's name and numbers do not say, such as a decoder's own words."""
    pose: PoseResult | None = None
    """Camera of the image, if it got that far."""
    thumbnail: bytes = b""
    """Thumbnail for a report, JPEG; empty if the image cannot be read."""
