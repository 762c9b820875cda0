import sys

import numpy as np
import pytest
from PIL import Image

from mimic3d.data.images import decode_png
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.sources.external import ExternalConfig
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, run

PROGRAM = """
import csv, random, sys
from pathlib import Path
from PIL import Image
images, output = Path(sys.argv[1]), Path(sys.argv[2])
names = sorted(path.name for path in images.iterdir())
assert len(set(names)) == len(names)
random.seed(0)
random.shuffle(names)
with output.open("w", newline="") as file:
    table = csv.writer(file)
    poses = [f"m{row}{column}" for row in range(4) for column in range(4)]
    table.writerow(["image", *poses, "fx", "fy", "cx", "cy", "confidence", "reproj_px"])
    for name in names:
        image = Image.open(images / name)
        assert image.mode == "RGB" and not image.getexif()
        distance = image.getpixel((0, 0))[0] / 100
        if distance < 0.05:
            continue
        side = image.getpixel((image.width - 1, 0))[0] / 100 - 1
        pose = [1, 0, 0, side, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1]
        table.writerow([name, *pose, 4, 4, 0.5, 0.5, 0.9, 10 if distance > 2 else 0])
"""


def write_external(studio, root):
    """Photos whose corners say what the program shall answer: it can only be right by name."""
    folder, num = studio.raw(root), studio.num
    for index in range(num):
        pixels = np.asarray(studio.textured(index, (64, 64))).copy()
        pixels[0, 0], pixels[0, -1] = (100, 0, 0), (100 + 2 * (index - num // 2), 0, 0)
        if index == 3:
            pixels[0, 0] = (1, 0, 0)  # no answer
        if index == 4:
            pixels[0, 0] = (250, 0, 0)  # a bad fit
        exif, stored = Image.Exif(), pixels
        if index == 5:  # lies on its side in the file
            exif[0x0112], stored = 6, np.rot90(pixels)
        image = Image.fromarray(np.ascontiguousarray(stored))
        image.save(folder / f"photo {index:02d}.png", exif=exif)
    (folder / "broken.png").write_bytes(b"no photo")
    program = root / "program.py"
    program.write_text(PROGRAM)
    return f"{sys.executable} {program} {{images}} {{output}}"


def test_another_program_answers_by_name(studio, tmp_path):
    command = write_external(studio, tmp_path)
    external = ExternalConfig(path="photos", command=command, radius=2.7)
    gates = GatesConfig(min_kept=5, min_yaw_spread_deg=0.1)
    _, rows, rejected = studio.prepare(tmp_path, "external", gates=gates, external=external)
    assert rejected == {
        "photo 03.png": "no_answer",
        "photo 04.png": "reprojection",
        "broken.png": "unreadable",
    }
    assert len(rows) == studio.num - 2
    for name, row in rows.items():
        index = int(name.removeprefix("photo ").removesuffix(".png"))
        side = (100 + 2 * (index - studio.num // 2)) / 100 - 1
        assert row["cam2world"][3] == pytest.approx(side, abs=1e-6)
        assert row["estimator"] == "external"
    upright = decode_png(rows["photo 05.png"]["image"]["bytes"])
    expected = studio.textured(5, (64, 64)).resize((16, 16), Image.Resampling.LANCZOS)
    assert np.abs(upright[2:, 2:-2].astype(int) - np.asarray(expected)[2:, 2:-2]).max() <= 1


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit('no GPU')", r"must end with exit code 0, ended with 1; .*\nno GPU"),
        ("pass", r"must write {output}, did not and said nothing"),
        ("import time; print('slow', flush=True); time.sleep(60)", r"must end within 1 s.*\nslow"),
    ],
)
def test_a_program_that_fails_is_shown_with_its_words(studio, tmp_path, program, message):
    write_external(studio, tmp_path)
    (tmp_path / "program.py").write_text(program)
    command = f"{sys.executable} {tmp_path}/program.py {{images}} {{output}}"
    external = ExternalConfig(path="photos", command=command, timeout_s=1)
    cfg = PrepareConfig(name="toy", source="external", resolution=16, external=external)
    with pytest.raises(ValueError, match=r"prepare.external.command " + message):
        run(cfg, tmp_path, SilentTracker())
    assert not (tmp_path / "data" / "toy").exists()
