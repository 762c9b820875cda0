"""`python -m benchmarks.photos [FOLDER]`: CPU time per photo of the source `photos`, by part.

Of photos of 1024 px with one face at resolution 512, of 24 megapixels with one small face, and of
24 megapixels without one; or of the photos in a folder. The faces are rendered heads.
"""

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from mimic3d.data.images import decode_png
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.poses.face import FaceConfig, FacePoses
from mimic3d.preparation.poses.face_detector import FaceDetector
from mimic3d.preparation.poses.face_models import FOLDER
from mimic3d.preparation.poses.facemesh import FaceMesh
from mimic3d.preparation.sources import crop
from mimic3d.preparation.sources.crop import Photo, PhotoProcessor
from mimic3d.preparation.sources.render_tasks import list_render_tasks, render_all
from mimic3d.preparation.sources.synthetic import SyntheticConfig

PARTS = {
    "decode": (crop, "decode_photo"),
    "search": (FaceDetector, "search"),
    "see again": (FaceDetector, "see_again"),
    "landmarks": (FaceMesh, "_lay_mesh"),
    "warp": (crop, "crop_pose"),
    "encode": (crop, "encode_png"),
}
NUM_PHOTOS, NUM_CORES, MINUTES = 70_000, 8, 45


def main() -> None:
    """Prints a table of milliseconds per photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="photos of your own")
    parser.add_argument("--num", type=int, default=6, help="photos of each kind")
    args = parser.parse_args()
    print(f"{'':24s}" + "".join(f"{part:>11s}" for part in (*PARTS, "all", "kept")))
    if args.folder:
        names = sorted(path.name for path in args.folder.iterdir() if path.is_file())
        _measure("own photos", args.folder, names, 512)
        return
    with TemporaryDirectory() as temporary:
        for kind, resolution, make in (
            ("1024 px, a face", 512, partial(_photo, (1024, 1024), 640)),
            ("24 MP, a face of 1/20", 128, partial(_photo, (6000, 4000), 420)),
            ("24 MP, no face", 128, partial(_photo, (6000, 4000), 0)),
        ):
            folder = Path(temporary) / kind.replace("/", "-")
            folder.mkdir()
            names = [f"{index:02d}.jpg" for index in range(args.num)]
            for index, name in enumerate(names):
                (folder / name).write_bytes(make(index))
            seconds = _measure(kind, folder, names, resolution)
            if resolution == 512:
                minutes = NUM_PHOTOS * seconds / NUM_CORES / 60
                print(
                    f"  {1 / seconds:.1f} photos/s per core; {NUM_PHOTOS:,} on {NUM_CORES} cores: "
                    f"{minutes:.0f} min (goal {MINUTES})"
                )


def _photo(size: tuple[int, int], head_px: int, seed: int) -> bytes:
    """A JPEG file: texture of all scales, and a rendered head in it."""
    rng = np.random.default_rng(seed)
    canvas = Image.new("RGB", size)
    for power in range(2, 8):  # coarse to fine
        grid = rng.integers(0, 256, (2**power * 2, 2**power * 3, 3), dtype=np.uint8)
        layer = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
        canvas = Image.blend(canvas, layer, 0.5 if power > 2 else 1.0)
    if head_px:
        tasks = list_render_tasks(SyntheticConfig(num_train=8, num_val=0, num_eval=0), 7, 256)
        (sample,) = render_all([tasks[seed % 8][1]], "numpy")
        head = Image.fromarray(decode_png(sample.image)).resize((head_px, head_px))
        canvas.paste(head, ((size[0] - head_px) // 2, (size[1] - head_px) // 3))
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _measure(kind: str, folder: Path, names: Sequence[str], resolution: int) -> float:
    """Prints a row; returns the CPU seconds of a photo, without those of the first one."""
    gates = GatesConfig()
    least = (gates.min_crop_ratio or 0.0) * resolution
    processor = PhotoProcessor(
        container=folder, image_column="image",
        build_estimator=partial(FacePoses, FaceConfig(), FOLDER, least), estimator="photos",
        gates=gates, resolution=resolution, orbit_center=(0.0, 0.0, 0.2), background=(0, 0, 0),
    )  # fmt: skip
    processor(Photo(names[0]))  # opens the networks
    seconds: dict[str, float] = defaultdict(float)
    kept = 0
    start = time.process_time()
    with _clocks(seconds):
        for name in names:
            kept += sum(hasattr(outcome, "image") for outcome in processor(Photo(name)))
    total = (time.process_time() - start) / len(names)
    parts = "".join(f"{1000 * seconds[part] / len(names):8.1f} ms" for part in PARTS)
    print(f"{kind:24s}{parts}{1000 * total:8.1f} ms{kept / len(names):11.2f}", flush=True)
    return total


@contextmanager
def _clocks(seconds: dict[str, float]) -> Iterator[None]:
    """CPU seconds of each part while the block runs."""
    with ExitStack() as stack:
        for part, (owner, name) in PARTS.items():
            stack.enter_context(
                patch.object(owner, name, _timed(getattr(owner, name), part, seconds))
            )
        yield


def _timed(function: Callable[..., Any], part: str, seconds: dict[str, float]) -> Any:
    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[part] += time.process_time() - start

    return timed


if __name__ == "__main__":
    main()
