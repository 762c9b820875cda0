"""`python -m benchmarks.training`: seconds per 1000 images of both stages.

Takes the sizes of params.yaml, runs the first images of both stages in a scratch folder; run it
after `prepare`. With `--against FOLDER`, another checkout of this project, both are measured in
turn: this one in one process per core, as `processes: auto` starts them, the other as it comes.
With `--same-sizes` this one trains the other's experiment, its sizes and losses, in today's way:
half the microbatch, so that two processes share it, shared fakes, and the renderer `auto`.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch.distributed
from ruamel.yaml import YAML

from benchmarks.timing import peak_memory_gib
from pipeline.cluster import cores
from pipeline.params import load_params
from pipeline.tracking.tracker import Tracker
from stages import imitate, pretrain
from stages.dataset import dataset_folder

HERE = Path(__file__).parents[1]


class SpeedRecorder(Tracker):
    """Keeps the speed of every tick."""

    def __init__(self) -> None:
        super().__init__()
        self.images_per_second: list[float] = []

    def log_metrics(self, metrics: Mapping[str, float], nimg: int) -> None:
        """Keep one tick's speed; measurements of G_ema have none."""
        if speed := metrics.get("speed/images_per_second"):
            self.images_per_second.append(speed)

    def progress(self, done: float, total: float, text: str) -> None:
        """Show nothing."""


def main() -> None:
    """Print one line per stage; the first tick of each, which warms up, does not count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kimg", type=float, default=0.256, help="images per tick, in thousands")
    parser.add_argument("--processes", type=int, default=1, help="with one thread each, over gloo")
    parser.add_argument("--against", type=Path, help="another checkout, measured in turn")
    parser.add_argument("--same-sizes", action="store_true", help="train the other's experiment")
    parser.add_argument("--repeats", type=int, default=3, help="of both, with --against")
    args = parser.parse_args()
    if args.against:
        compare(args.against.resolve(), args.kimg, args.repeats, args.same_sizes)
        return
    if args.processes > 1 and "RANK" not in os.environ:
        print(run_processes(HERE, args.kimg, args.processes), end="")
        return
    if "RANK" in os.environ:
        torch.distributed.init_process_group("gloo")
    train_both(args.kimg)


def compare(other: Path, kimg: float, repeats: int, same_sizes: bool) -> None:
    """Print seconds per 1000 images of both checkouts, medians of alternate runs, and the ratio."""
    seconds: dict[tuple[str, Path], list[float]] = {}
    for _ in range(repeats):
        for checkout, processes in ((other, 1), (HERE, cores())):
            params = other if same_sizes else checkout
            today = same_sizes and checkout == HERE
            for line in run_processes(checkout, kimg, processes, params, today).splitlines():
                if speed := re.match(r"(\w+) +([\d.]+) s per 1000 images", line):
                    seconds.setdefault((speed[1], checkout), []).append(float(speed[2]))
                    print(checkout.name, line, flush=True)
    for stage in ("pretrain", "imitate"):
        before, now = (statistics.median(seconds[stage, checkout]) for checkout in (other, HERE))
        print(f"{stage:9} {before:8.1f} s and {now:8.1f} s per 1000 images: {before / now:.2f}x")


def run_processes(
    checkout: Path, kimg: float, processes: int, params: Path = HERE, today: bool = False
) -> str:
    """Output of the benchmark of a checkout, with the params.yaml of another and our dataset."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        scratch, port = Path(folder), free.getsockname()[1]
        free.close()
        write_params(params / "params.yaml", scratch / "params.yaml", today)
        (scratch / "data").symlink_to(Path.cwd() / "data")
        command = [sys.executable, "-m", "benchmarks.training", "--kimg", str(kimg)]
        environ = os.environ | {"PYTHONPATH": str(checkout)}
        shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        shared |= {"MASTER_PORT": str(port), "SCRATCH": str(scratch / "scratch")}
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
        children = [
            subprocess.Popen(
                command,
                cwd=scratch,
                env=environ | (shared | rank if processes > 1 else {}),
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in ranks
        ]
        outputs = [child.communicate()[0] for child in children]
        if any(child.returncode for child in children):
            raise RuntimeError(f"the benchmark of {checkout} failed")
    return outputs[0]


def write_params(source: Path, target: Path, today: bool) -> None:
    """Copy parameters less the measurements of G_ema, which are no part of a step's cost.

    With `today`, in today's way of training.
    """
    yaml = YAML()
    params = yaml.load(source)
    for stage in ("pretrain", "imitate"):
        params[stage]["monitor"] = {"every_kimg": 0}
        if today:
            params[stage]["loop"] |= {"microbatch": 8, "renderer": "auto"}
            params[stage]["share_fakes"] = True
    yaml.dump(params, target)


def train_both(kimg: float) -> None:
    """Train both stages in a scratch folder, which the processes of one training share."""
    root = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(os.environ.get("SCRATCH", folder))
        (scratch / "data").mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "params.yaml", scratch)
        dataset = dataset_folder(root)
        if os.environ.get("RANK", "0") == "0":
            (scratch / "data" / dataset.name).symlink_to(dataset)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        for stage in (pretrain, imitate):
            name = stage.__name__.removeprefix("stages.")
            cfg = load_params(name, stage.CONFIG, root)
            loop = cfg.loop.model_copy(update={"total_kimg": 3 * kimg, "tick_kimg": kimg})
            recorder = SpeedRecorder()
            stage.run(cfg.model_copy(update={"loop": loop}), scratch, recorder)
            if speeds := recorder.images_per_second[1:]:
                seconds = 1000 * len(speeds) / sum(speeds)
                memory = peak_memory_gib()
                print(f"{name:9} {seconds:8.1f} s per 1000 images, peak memory {memory:.2f} GiB")


if __name__ == "__main__":
    main()
