"""Colour profiles (ICC) of photos, and conversion to sRGB. Imports no torch."""

import io
import struct
from functools import lru_cache

from PIL import Image, ImageCms

SRGB = "sRGB"
ADOBE_RGB = "Adobe RGB (1998)"
ADOBE_GAMMA = 563 / 256
WHITE_D50 = (0.9642, 1.0, 0.8249)
ADOBE_COLORANTS = {  # of red, green and blue under D50 (Adobe RGB (1998) Color Image Encoding, C.2)
    "rXYZ": (0.60974, 0.31111, 0.01947),
    "gXYZ": (0.20528, 0.62567, 0.06087),
    "bXYZ": (0.14919, 0.06322, 0.74457),
}


@lru_cache(maxsize=64)
def profile_name(profile: bytes) -> str:
    """Description of a profile; empty for none and for bytes that are no profile."""
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return ""


def is_wide(profile: bytes) -> bool:
    """True if numbers under a profile are other colours than the same numbers in sRGB.

    Bytes that are no profile say nothing, and the numbers are sRGB, as in browsers.
    """
    name = profile_name(profile)
    return bool(name) and SRGB not in name


@lru_cache(maxsize=1)
def adobe_rgb() -> bytes:
    """ICC profile of Adobe RGB (1998), for photos whose EXIF data names it and which carry none.

    A matrix profile of ICC version 2.1: colorants and one gamma.
    """
    tags = {name: b"XYZ " + bytes(4) + _fixed(*xyz) for name, xyz in ADOBE_COLORANTS.items()}
    tags["wtpt"] = b"XYZ " + bytes(4) + _fixed(*WHITE_D50)
    gamma = b"curv" + bytes(4) + struct.pack(">IH", 1, round(ADOBE_GAMMA * 256)) + bytes(2)
    tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), gamma)
    words = ADOBE_RGB.encode() + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(78)
    tags["desc"] = described + bytes(-len(described) % 4)
    tags["cprt"] = b"text" + bytes(4) + b"CC0\0"
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name.encode() + struct.pack(">II", offset + len(data), len(value))
        data += value
    size = offset + len(data)
    head = struct.pack(">I4xI4s4s4s", size, 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*WHITE_D50)
    return head + bytes(128 - len(head)) + table + data


def _fixed(*numbers: float) -> bytes:
    """Numbers as ICC's s15Fixed16."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """An RGB image of the colours that numbers (grey, RGB or CMYK) have under a profile.

    Without a profile, or one of another kind of numbers, they are those of sRGB.
    """
    if is_wide(profile):
        transform = _transform(profile, image.mode)
        if transform is not None:
            converted = ImageCms.applyTransform(image, transform)
            assert converted is not None  # None only in place
            return converted
    return image.convert("RGB")


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Transform to sRGB; None where the profile is not one of this mode's numbers."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    try:
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except ImageCms.PyCMSError:
        return None
