"""Pixels as PNG files. Imports no torch."""

import hashlib
import io

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

PNG_LEVEL = 1  # small enough, and decodes fastest


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
