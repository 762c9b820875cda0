"""`python -m benchmarks.training`: seconds per 1000 images of both stages.

Takes the sizes of params.yaml, runs the first images of both stages in a scratch folder;
run it after `prepare`.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.timing import peak_memory_gib
from pipeline.params import load_params
from pipeline.tracking.tracker import Tracker
from stages import imitate, pretrain
from stages.dataset import dataset_folder


class SpeedRecorder(Tracker):
    """Keeps the speed of every tick."""

    def __init__(self) -> None:
        super().__init__()
        self.images_per_second: list[float] = []

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Keep one tick's speed."""
        self.images_per_second.append(metrics["speed/images_per_second"])

    def progress(self, done: float, total: float, text: str) -> None:
        """Show nothing."""


def main() -> None:
    """Print one line per stage; the first tick of each, which warms up, does not count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kimg", type=float, default=0.256, help="images per tick, in thousands")
    kimg = parser.parse_args().kimg
    root = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        shutil.copy(root / "params.yaml", scratch)
        dataset = dataset_folder(root)
        (scratch / "data").mkdir()
        (scratch / "data" / dataset.name).symlink_to(dataset)
        for stage in (pretrain, imitate):
            name = stage.__name__.removeprefix("stages.")
            cfg = load_params(name, stage.CONFIG, root)
            loop = cfg.loop.model_copy(update={"total_kimg": 3 * kimg, "tick_kimg": kimg})
            recorder = SpeedRecorder()
            stage.run(cfg.model_copy(update={"loop": loop}), scratch, recorder)
            speeds = recorder.images_per_second[1:]
            seconds = 1000 * len(speeds) / sum(speeds)
            memory = peak_memory_gib()
            print(f"{name:9} {seconds:8.1f} s per 1000 images, peak memory {memory:.2f} GiB")


if __name__ == "__main__":
    main()
