"""Colour profiles (ICC) of photos, and conversion to sRGB. Imports no torch."""

import io
from functools import lru_cache

from PIL import Image, ImageCms

SRGB = "sRGB"


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
