"""`python -m benchmarks.photos [FOLDER]`: CPU time per photo of the source `photos`, by part.

Photos of 1024 px with one face at resolution 512, of 24 megapixels with one small face, and of 24
megapixels without one; or those of a folder. The faces are rendered heads. Of the first kind also
photos per second by the clock, on all cores.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from mimic3d.data.images import decode_png
from mimic3d.parallel import count_workers
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.poses.face import FaceConfig, FacePoses
from mimic3d.preparation.poses.face_detector import FaceDetector
from mimic3d.preparation.poses.face_models import FOLDER
from mimic3d.preparation.poses.facemesh import FaceMesh
from mimic3d.preparation.sample import Sample
from mimic3d.preparation.sources import crop
from mimic3d.preparation.sources.crop import Photo, PhotoProcessor, process_photos
from mimic3d.preparation.sources.render_tasks import list_render_tasks, render_all
from mimic3d.preparation.sources.synthetic import SyntheticConfig

PARTS = {
    "decode": (crop, "decode_photo"),
    "search": (FaceDetector, "search"),
    "see again": (FaceDetector, "see_again"),
    "mesh": (FaceMesh, "_lay_mesh"),
    "warp": (crop, "crop_pose"),
    "encode": (crop, "encode_png"),
}
NUM_PHOTOS, NUM_CORES, MINUTES = 70_000, 8, 45
NUM_TIMED = 192  # photos of the measurement on all cores; the first third starts the processes
GRAIN = 3.0  # deviation of a camera's noise, of 255
ORBIT_CENTER = (0.0, 0.0, 0.2)


@dataclass(frozen=True)
class PhotoKind:
    """Photos that are made for the measurement."""

    title: str
    size: tuple[int, int]
    head_px: int
    suffix: str
    resolution: int


KINDS = (
    PhotoKind("1024 px PNG, a face", (1024, 1024), 768, "png", 512),
    PhotoKind("24 MP JPEG, face 1/20", (6000, 4000), 420, "jpg", 128),
    PhotoKind("24 MP JPEG, no face", (6000, 4000), 0, "jpg", 128),
)


def main() -> None:
    """Prints a table of milliseconds per photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="photos of your own")
    parser.add_argument("--num", type=int, default=6, help="photos of each kind")
    parser.add_argument("--turns", type=int, default=3, help="the least of so many turns counts")
    parser.add_argument("--resolution", type=int, default=512, help="of photos of your own")
    args = parser.parse_args()
    titles = "".join(f"{part:>11s}" for part in (*PARTS, "all", "kept"))
    print(f"CPU time per photo      {titles}")
    if args.folder:
        names = sorted(path.name for path in args.folder.iterdir() if path.is_file())
        processor = build_processor(args.folder, args.resolution)
        _print_row("own photos", measure(processor, names, args.turns))
        return
    with TemporaryDirectory() as temporary:
        for kind in KINDS:
            folder = Path(temporary) / f"{kind.size[0]}-{kind.head_px}"
            folder.mkdir()
            names = [f"{index:02d}.{kind.suffix}" for index in range(args.num)]
            for index, name in enumerate(names):
                (folder / name).write_bytes(_photo(kind, index))
            processor = build_processor(folder, kind.resolution)
            costs = measure(processor, names, args.turns)
            _print_row(kind.title, costs)
            if kind is KINDS[0]:
                _print_estimate(processor, names, costs["all"])


def _print_row(title: str, costs: Mapping[str, float]) -> None:
    parts = "".join(f"{1000 * costs[part]:8.1f} ms" for part in (*PARTS, "all"))
    print(f"{title:24s}{parts}{costs['kept']:11.2f}", flush=True)


def _print_estimate(processor: PhotoProcessor, names: Sequence[str], seconds: float) -> None:
    minutes = NUM_PHOTOS * seconds / NUM_CORES / 60
    print(
        f"  {1 / seconds:.1f} photos/s per core by CPU time: {NUM_PHOTOS:,} on {NUM_CORES} cores "
        f"in {minutes:.0f} min (goal {MINUTES})"
    )
    workers = count_workers(NUM_TIMED)
    rate = photos_per_second(processor, names)
    minutes = NUM_PHOTOS / (rate / workers * NUM_CORES) / 60
    print(
        f"  {rate:.1f} photos/s by the clock with {workers} processes: {NUM_PHOTOS:,} on "
        f"{NUM_CORES} cores in {minutes:.0f} min",
        flush=True,
    )


def _photo(kind: PhotoKind, seed: int) -> bytes:
    """A file: texture of all scales and grain, and a rendered head in it."""
    rng = np.random.default_rng(seed)
    canvas = Image.new("RGB", kind.size)
    for power in range(2, 8):  # coarse to fine
        grid = rng.integers(0, 256, (2**power * 2, 2**power * 3, 3), dtype=np.uint8)
        layer = Image.fromarray(grid).resize(kind.size, Image.Resampling.BICUBIC)
        canvas = Image.blend(canvas, layer, 0.5 if power > 2 else 1.0)
    if kind.head_px:
        tasks = list_render_tasks(SyntheticConfig(num_train=8, num_val=0, num_eval=0), 7, 768)
        (sample,) = render_all([tasks[seed % 8][1]], "numpy")
        head = Image.fromarray(decode_png(sample.image)).resize((kind.head_px, kind.head_px))
        room = np.subtract(kind.size, kind.head_px)
        canvas.paste(head, (int(room[0] // 2), int(room[1] // 3)))
    pixels = np.asarray(canvas, dtype=np.float32)
    grain = GRAIN * rng.standard_normal(pixels.shape, dtype=np.float32)
    pixels = (pixels + grain).round().clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG" if kind.suffix == "png" else "JPEG", quality=92)
    return buffer.getvalue()


def build_processor(folder: Path, resolution: int) -> PhotoProcessor:
    """`prepare`'s way from a photo to a sample, with the default parameters of source photos."""
    gates = GatesConfig()
    least = (gates.min_crop_ratio or 0.0) * resolution
    return PhotoProcessor(
        container=folder,
        image_column="image",
        build_estimator=partial(FacePoses, FaceConfig(), FOLDER, least),
        estimator="photos",
        gates=gates,
        resolution=resolution,
        orbit_center=ORBIT_CENTER,
        background=(0, 0, 0),
    )


def measure(processor: PhotoProcessor, names: Sequence[str], turns: int) -> dict[str, float]:
    """CPU seconds per photo, of the parts and in all, least of some turns; and images kept."""
    processor(Photo(names[0]))  # opens the networks
    costs: dict[str, float] = {}
    for _ in range(turns):
        seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        kept = 0
        start = time.process_time()
        with _clocks(seconds):
            for name in names:
                kept += sum(isinstance(one, Sample) for one in processor(Photo(name)))
        seconds["all"] = time.process_time() - start
        if not costs or seconds["all"] / len(names) < costs["all"]:
            costs = {part: value / len(names) for part, value in seconds.items()}
            costs["kept"] = kept / len(names)
    return costs


def photos_per_second(processor: PhotoProcessor, names: Sequence[str]) -> float:
    """Photos per second by the clock, on all cores, after the processes have started."""
    photos = [Photo(names[index % len(names)]) for index in range(NUM_TIMED)]
    start, done = 0.0, 0
    for done, _ in enumerate(process_photos(processor, photos), 1):
        if done == NUM_TIMED // 3:
            start = time.perf_counter()
    return (done - NUM_TIMED // 3) / (time.perf_counter() - start)


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
