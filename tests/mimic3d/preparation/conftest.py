import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image


def encode(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def textured(size=(40, 32), seed=0):
    """An image with detail that no other seed has."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def claim_size(png, width, height):
    """A PNG file whose header says another size, with the right checksum."""
    data = bytearray(png)
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.fixture
def photo_tools():
    return encode, textured, claim_size
