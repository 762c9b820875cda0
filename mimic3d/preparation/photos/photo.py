"""From the bytes of a photo, whoever made it, to upright RGB pixels. Imports no torch."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mimic3d.preparation.pose import Reject

Colour = tuple[int, int, int]

# Of these formats only; Pillow would hand EPS to a program, and others are no photos.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "BMP", "TIFF", "GIF", "PPM", "JPEG2000")
STILL_IN_MANY_FRAMES = "MPO"  # JPEG with a preview or a second eye: the first frame is the photo
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
NO_COLOUR = ("F", "I", "LAB")  # numbers without a known white, or a space Pillow cannot leave


class NoPhoto(Exception):  # noqa: N818 (an answer, no fault of the program)
    """Bytes that are no photo: the gate they fail, and the decoder's own words."""

    def __init__(self, reject: Reject, detail: str = "") -> None:
        super().__init__(reject, detail)
        self.reject = reject
        self.detail = detail


def open_photo(data: bytes, max_pixels: float, background: Colour | None) -> Image.Image:
    """The photo as RGB, turned upright by its EXIF orientation.

    Transparent parts show the background colour; with None their hidden colours are shown, as
    EG3D's tool does. 16-bit greys are scaled to 8 bits.

    Raises:
        NoPhoto: The bytes are empty, damaged, an animation, too many pixels, or no image at all.
    """
    if not data:
        raise NoPhoto(Reject("empty", 0.0, 1.0))
    try:
        with _size_checked_here(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata: the pixels decide
            with Image.open(io.BytesIO(data), formats=_formats()) as image:
                _check_header(image, max_pixels)
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image), background)
    except NoPhoto:
        raise
    except UnidentifiedImageError:
        raise unreadable("no known image format") from None
    except Exception as error:  # decoders of damaged files raise nearly anything
        words = " ".join(str(error).split())[:120]
        raise unreadable(f"{type(error).__name__}: {words}") from error


def unreadable(detail: str) -> NoPhoto:
    """Bytes that cannot be had or decoded, in the words of who tried."""
    return NoPhoto(Reject("unreadable", 0.0, 1.0), detail)


def check_bytes(size: int, max_bytes: float) -> None:
    """Refuses files that would fill the memory.

    Raises:
        NoPhoto: The file is larger.
    """
    if size > max_bytes:
        raise NoPhoto(Reject("max_bytes", float(size), float(max_bytes)))


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


@contextmanager
def _size_checked_here() -> Iterator[None]:
    """Pillow's own limit off: it warns at one size, raises at another, and is no parameter."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_header(image: Image.Image, max_pixels: float) -> None:
    """Refuses by what the header says, before anything is decoded."""
    pixels = float(image.width) * image.height
    if pixels > max_pixels:
        raise NoPhoto(Reject("max_pixels", pixels, max_pixels))
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != STILL_IN_MANY_FRAMES:
        raise NoPhoto(Reject("animated", float(frames), 1.0))
    if image.mode in NO_COLOUR:
        raise NoPhoto(Reject("mode", 0.0, 1.0), f"mode {image.mode}")


def _to_rgb(image: Image.Image, background: Colour | None) -> Image.Image:
    if image.mode in SIXTEEN_BIT:
        grey = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    if background is not None:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return image.convert("RGB")
