"""Upright RGB pixels of the bytes of a photo, whoever made it. Imports no torch."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mimic3d.preparation.photos.profiles import adobe_rgb, is_wide, profile_name, to_srgb
from mimic3d.preparation.pose import Reject

Colour = tuple[int, int, int]

HEIF = "HEIF"  # as pillow-heif calls its format
# Of these formats only; Pillow would hand EPS to a program, and others are no photos.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", HEIF, "BMP", "TIFF", "GIF", "PPM", "JPEG2000")
STILL_IN_MANY_FRAMES = ("MPO", HEIF)  # previews, second eyes, bursts: the first is the photo
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
HEIF_BRANDS = dict.fromkeys(
    ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"), "HEIC (HEIF)"
) | dict.fromkeys(("avif", "avis"), "AVIF")  # of files in ISO's container, as phones write
ORIENTATION = 0x0112  # EXIF tag; 1 is upright
EXIF_IFD, FOCAL_LENGTH, FOCAL_LENGTH_35MM = 0x8769, 0x920A, 0xA405  # EXIF tags
COLOR_SPACE, INTEROP_IFD, INTEROP_INDEX = 0xA001, 0xA005, 1
ADOBE_INDEX, ADOBE_SPACE = "R03", 2  # DCF 2.0; some cameras write 2 instead
MAX_FOCAL_MM = 10_000  # larger ones are no focal lengths
NO_COLOUR = ("F", "I", "LAB")  # numbers without a known white, or a space Pillow cannot leave


class NoPhoto(Exception):  # noqa: N818 (an answer, no fault of the program)
    """Bytes that are no photo: the gate they fail, and the decoder's own words."""

    def __init__(self, reject: Reject, detail: str = "") -> None:
        super().__init__(reject, detail)
        self.reject = reject
        self.detail = detail


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo in memory, and what its file says of it."""

    image: Image.Image
    """RGB; numbers of `profile`."""
    profile: bytes = b""
    """ICC profile of the numbers; empty: sRGB."""
    colours: str = ""
    """Name of the profile in the file, or that its EXIF data names; empty if there is none."""
    focal_mm: float = 0.0
    """Focal length by EXIF, mm; 0 if unknown."""
    focal_35mm: float = 0.0
    """Focal length for film of 36 x 24 mm, mm; 0 if unknown."""

    def to_srgb(self, part: Image.Image) -> Image.Image:
        """A part of the image in sRGB; a part takes less time than the whole."""
        return to_srgb(part, self.profile)


def open_photo(data: bytes, max_pixels: float, background: Colour | None) -> Image.Image:
    """The photo in sRGB, upright; see `decode_photo`."""
    photo = decode_photo(data, max_pixels, background)
    return photo.to_srgb(photo.image)


def decode_photo(
    data: bytes, max_pixels: float, background: Colour | None, is_turned: bool = True
) -> DecodedPhoto:
    """The photo as RGB, turned upright by its EXIF orientation unless told otherwise.

    Transparent parts show the background colour; with None their hidden colours are shown, as
    EG3D's tool does. 16-bit greys are scaled to 8 bits. Grey and CMYK numbers become sRGB by their
    ICC profile; those of RGB keep it.

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
                turns = is_turned and image.getexif().get(ORIENTATION, 1) != 1
                upright = ImageOps.exif_transpose(image) if turns else image  # else a copy
                profile = bytes(image.info.get("icc_profile") or b"") or _named_profile(image)
                pixels = _to_rgb(upright, profile, background)
                known = profile if is_wide(profile) and _is_rgb(image) else b""
                return DecodedPhoto(pixels, known, profile_name(profile), *_focal_lengths(image))
    except NoPhoto:
        raise
    except UnidentifiedImageError:
        raise unreadable(_unknown_format(data)) from None
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
    with suppress(ImportError):  # an extra; without it HEIC has a reason that names it
        import pillow_heif

        pillow_heif.register_heif_opener()
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
    if frames > 1 and image.format not in STILL_IN_MANY_FRAMES:
        raise NoPhoto(Reject("animated", float(frames), 1.0))
    if image.mode in NO_COLOUR:
        raise NoPhoto(Reject("mode", 0.0, 1.0), f"mode {image.mode}")


def _unknown_format(data: bytes) -> str:
    """Description of a file that no decoder takes, by its first bytes, and the way out."""
    brand = data[8:12].decode("ascii", "replace") if data[4:8] == b"ftyp" else ""
    if brand in HEIF_BRANDS and HEIF in Image.OPEN:  # with pillow-heif: the file is damaged
        return f"{HEIF_BRANDS[brand]}, damaged or of a kind that pillow-heif does not know"
    if brand in HEIF_BRANDS:
        return (
            f"{HEIF_BRANDS[brand]} needs pillow-heif: pip install 'mimic3d-open[heic]', or convert "
            f"it to JPEG"
        )
    return "no known image format"


def _is_rgb(image: Image.Image) -> bool:
    """True if the stored numbers are red, green and blue, with or without alpha or a palette."""
    return image.mode in ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA")


def _named_profile(image: Image.Image) -> bytes:
    """Profile that the EXIF data of an RGB photo without one names; empty: sRGB."""
    if not _is_rgb(image):
        return b""
    with suppress(Exception):  # odd metadata of any kind says nothing
        exif = image.getexif()
        if exif.get_ifd(EXIF_IFD).get(COLOR_SPACE) == ADOBE_SPACE:
            return adobe_rgb()
        index = str(exif.get_ifd(INTEROP_IFD).get(INTEROP_INDEX, ""))
        if index.strip("\0 ") == ADOBE_INDEX:
            return adobe_rgb()
    return b""


def _focal_lengths(image: Image.Image) -> tuple[float, float]:
    """Focal length by EXIF, mm, and that of film of 36 x 24 mm; 0 where it is not stated."""
    lengths = []
    with suppress(Exception):  # odd metadata of any kind: nothing depends on it
        exif = image.getexif().get_ifd(EXIF_IFD)
        lengths = [float(exif.get(tag) or 0) for tag in (FOCAL_LENGTH, FOCAL_LENGTH_35MM)]
    mm, film = [length if 0 < length < MAX_FOCAL_MM else 0.0 for length in lengths] or (0.0, 0.0)
    return mm, film


def _to_rgb(image: Image.Image, profile: bytes, background: Colour | None) -> Image.Image:
    """RGB numbers: those of the file, or of sRGB where the file's are grey or CMYK."""
    if image.mode in SIXTEEN_BIT:
        grey = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("L", "CMYK") and not image.has_transparency_data:
        return to_srgb(image, profile)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")  # 24 megapixels are 96 MB
    if image.mode == "LA":
        grey, alpha = image.split()
        image = to_srgb(grey, profile)
        image.putalpha(alpha)
    image = image.convert("RGBA")
    if background is not None:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return image.convert("RGB")
