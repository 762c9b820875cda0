"""One prepared image on its way to the shards, however it was made. Imports no torch."""

from dataclasses import dataclass

from mimic3d.preparation.pose import PoseResult, Reject


@dataclass(frozen=True)
class PhotoOrigin:
    """Where the image of a photo comes from, beside its crop and camera."""

    file: str
    """Name in the folder, zip or table."""
    number: int
    """Of the face in its photo, from 1 on."""
    width: int
    height: int
    """Of the photo, pixels, as the crop counts them."""
    box: tuple[float, float, float, float] | None
    """Left, top, right, bottom of the detected face, pixels; None where none was detected."""
    score: float | None
    """Of the detector; None as the box."""
    colours: str
    """Name of the ICC profile in the file; empty without one."""
    focal_mm: float
    """By EXIF; 0 if unknown."""
    focal_35mm: float
    """The same for film of 36 x 24 mm."""


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
    photo: PhotoOrigin | None = None
    """None where it was rendered."""
    dhash: int | None = None
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
