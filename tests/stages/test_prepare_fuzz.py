"""500 good, odd and damaged files: no crash, none without an answer, all good ones kept."""

import io
import json
import struct
import zipfile
import zlib

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.schema import find_shards, load_manifest
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.sources.given import GivenConfig
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, run

NUM_FILES = 500
SIZE = (40, 36)
STYLES = (
    ("RGB", "PNG"), ("RGB", "JPEG"), ("RGB", "WEBP"), ("RGB", "BMP"), ("RGB", "TIFF"), ("L", "PNG"),
    ("L", "JPEG"), ("P", "PNG"), ("P", "GIF"), ("1", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"),
    ("RGBA", "PNG"), ("RGBA", "WEBP"), ("LA", "PNG"), ("I;16", "PNG"), ("I;16", "TIFF"),
)  # fmt: skip
SUFFIXES = (".png", ".jpg", ".JPEG", ".webp", ".bmp", ".tif", ".gif")
ODD_NAMES = ("caf\u00e9 \u65e5\u672c", "a b  c", "-rf", "100%25", 'it\'s "quoted"', "#1", "x" * 180)


def encode(rng):
    """A good file of a random kind."""
    mode, kind = STYLES[rng.integers(len(STYLES))]
    pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode != "RGB":
        image = image.convert(mode)
    options = {}
    if kind == "JPEG" and rng.random() < 0.5:
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(1, 9))
        options["exif"] = exif
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def truncate(rng):
    data = encode(rng)
    return data[: int(rng.integers(0, len(data) * 3 // 4))]


def flip_bits(rng):
    data = bytearray(encode(rng))
    for place in rng.integers(0, len(data), 1 + len(data) // 50):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def shuffle(rng):
    """Pieces of files in the wrong place."""
    one, other = encode(rng), encode(rng)
    cut = int(rng.integers(1, len(one)))
    return one[:cut] + other[int(rng.integers(len(other))) :] + one[cut:]


def claim_size(rng):
    buffer = io.BytesIO()
    Image.new("RGB", SIZE).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", *rng.integers(10_000, 2**31, 2).tolist())
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def animate(rng):
    frames = [Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)) for _ in range(3)]
    buffer = io.BytesIO()
    kind = ("GIF", "PNG", "WEBP", "TIFF")[rng.integers(4)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def noise(rng):
    heads = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\x00", b"RIFF....WEBP")
    return heads[rng.integers(len(heads))] + rng.bytes(int(rng.integers(0, 300)))


def shrink(rng):
    buffer = io.BytesIO()
    Image.new("RGB", (40, int(rng.integers(1, 16)))).save(buffer, "PNG")
    return buffer.getvalue()


BAD = (truncate, flip_bits, shuffle, claim_size, animate, noise, shrink, lambda rng: b"")


def write_files(folder):
    """All files and a camera for each; returns the names of the good ones."""
    rng = np.random.default_rng(2026)
    good, labels = set(), []
    for index in range(NUM_FILES):
        is_good = rng.random() < 0.4
        stem = ODD_NAMES[index % len(ODD_NAMES)] if index < 70 else "img"
        name = f"{stem}-{index:04d}{SUFFIXES[rng.integers(len(SUFFIXES))]}"
        name = f"sub/{name}" if index % 3 == 0 else name
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(rng) if is_good else BAD[index % len(BAD)](rng))
        if is_good:
            good.add(name)
        camera = orbit_cameras(
            torch.tensor([0.6 * np.sin(index)]).float(),
            torch.zeros(1),
            Scene(orbit_center=(0, 0, 0)),
        )
        labels.append((name, camera.labels()[0].tolist()))
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return good


def prepare(root, path):
    gates = GatesConfig(max_rejected_share=1, max_megapixels=1)
    cfg = PrepareConfig(
        name="odd", source="given", resolution=16, gates=gates, given=GivenConfig(path=path)
    )
    run(cfg, root, SilentTracker())
    folder = root / "data" / "odd"
    kept = [
        name
        for split in ("train", "val")
        for shard in find_shards(folder, split)
        for name in pq.read_table(shard, columns=["image_id"])["image_id"].to_pylist()
    ]
    rejects = pq.read_table(folder / "rejects.parquet").to_pylist()
    return load_manifest(folder), kept, rejects


@pytest.mark.slow
def test_every_file_of_a_folder_and_of_its_zip_gets_an_answer(tmp_path):
    raw = tmp_path / "data" / "raw"
    good = write_files(raw / "photos")
    assert len(good) > 150
    with zipfile.ZipFile(raw / "photos.zip", "w") as archive:
        for path in sorted((raw / "photos").rglob("*")):
            archive.write(path, path.relative_to(raw / "photos"))
    one, kept, rejects = prepare(tmp_path, "photos")
    assert len(kept) + len(rejects) == NUM_FILES
    assert len({*kept, *(row["image_id"] for row in rejects)}) == NUM_FILES
    assert good <= set(kept)
    assert all(row["reason"] for row in rejects)
    gates = {"unreadable", "empty", "animated", "max_pixels", "min_side"}
    assert gates <= {row["gate"] for row in rejects}
    other, kept_of_zip, rejects_of_zip = prepare(tmp_path, "photos.zip")
    assert one.fingerprint == other.fingerprint
    assert (kept_of_zip, rejects_of_zip) == (kept, rejects)
