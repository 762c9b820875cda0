"""Photos of rendered heads, whose true cameras are known, through the whole stage."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mimic3d.data.images import decode_png
from mimic3d.preparation.poses.face_models import find_face_models
from mimic3d.preparation.sources.estimated import PhotosConfig
from mimic3d.preparation.sources.render_tasks import list_render_tasks, render_all
from mimic3d.preparation.sources.synthetic import SyntheticConfig

ROOT = Path(__file__).parents[2]
NUM = 24


def link_networks(root):
    """Puts the networks where the stage looks for them, so that it downloads nothing."""
    pytest.importorskip("cv2", reason="finding faces needs the extra `pose`")
    folder = Path(os.environ.get("MIMIC3D_FACE_MODELS", ROOT / "cache" / "models"))
    try:
        models = find_face_models(folder)
    except ValueError as error:
        pytest.skip(f"no face networks: {error}")
    target = root / "cache" / "models"
    target.mkdir(parents=True)
    for path in (models.detector, models.mesh):
        (target / path.name).symlink_to(path.resolve())


def write_photos(path):
    """Heads in larger photos, some lying on their side by EXIF; their true yaws."""
    shots = list_render_tasks(SyntheticConfig(num_train=NUM, num_val=0, num_eval=0), 7, 128)
    yaws = {}
    with zipfile.ZipFile(path, "w") as archive:
        for index, sample in enumerate(render_all([shot for _, shot in shots], "numpy")):
            rng = np.random.default_rng(index)
            blocks = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
            photo = blocks.resize((320, 240))
            photo.paste(Image.fromarray(decode_png(sample.image)), (90 + index, 60 - index))
            exif, name = Image.Exif(), f"party/{index:02d}.jpg"
            if index % 3 == 0:
                exif[0x0112], photo = 6, photo.transpose(Image.Transpose.ROTATE_90)
            buffer = io.BytesIO()
            photo.save(buffer, "JPEG", quality=95, exif=exif)
            archive.writestr(name, buffer.getvalue())
            x, _, z = sample.pose.cam2world[:3, 3] - [0, 0, 0.2]
            yaws[name] = np.arctan2(x, z)
        archive.writestr("party/blank.png", b"no photo")
        buffer = io.BytesIO()
        Image.fromarray(np.tile(np.arange(240, dtype=np.uint8), (240, 1))).save(buffer, "PNG")
        archive.writestr("landscape.png", buffer.getvalue())
    return yaws


@pytest.mark.slow
def test_photos_become_a_posed_dataset_with_one_command(studio, tmp_path):
    link_networks(tmp_path)
    (tmp_path / "data" / "raw").mkdir(parents=True)
    yaws = write_photos(tmp_path / "data" / "raw" / "party.zip")
    photos = PhotosConfig(path="party.zip", identity="folder", val_share=0)
    manifest, rows, rejected = studio.prepare(tmp_path, "photos", 64, photos=photos)
    assert rejected["party/blank.png"] == "unreadable"
    assert rejected["landscape.png"] in ("no_face", "presence")
    assert len(rows) >= 0.7 * NUM
    errors = [abs(row["yaw"] - yaws[name]) for name, row in rows.items()]
    assert np.degrees(np.median(errors)) < 4
    assert (
        np.corrcoef([(row["yaw"], yaws[name]) for name, row in rows.items()], rowvar=False)[0, 1]
        > 0.9
    )
    assert {row["identity"] for row in rows.values()} == {"party"}
    assert manifest.source == "photos"
    assert manifest.scene.orbit_center == (0, 0, 0.2)
