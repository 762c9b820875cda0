"""MLflow with many reproductions, fabricated within a minute or two: how its pages serve people.

`python -m benchmarks.many_runs FOLDER [--num 30]` writes FOLDER/mlflow.db by the project's own
tracker; the numbers are drawn, not measured. MLFLOW_TRACKING_URI=sqlite:///FOLDER/mlflow.db and
`python -m pipeline.ui` then show it.
"""

import argparse
import math
import random
import tempfile
from pathlib import Path

from PIL import Image

from pipeline.project import ProjectPaths
from pipeline.stage import choices, headlines, load_config
from pipeline.sweep.project import write_params
from pipeline.tracking.mlflow_runs import RunRequest, close_run
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.reproduction import CHANGES

ROOT = Path(__file__).parents[1]
STAGES = ("prepare", "pretrain", "imitate", "evaluate")
NUM_TICKS = 12
SEARCHED = {
    "pretrain.adversarial.r1_gamma": (0.3, 0.5, 1.0, 2.0, 5.0),
    "pretrain.g_optimizer.lr": (0.001, 0.002, 0.004, 0.008),
    "imitate.imitation.weight": (5, 10, 25, 50),
    "pretrain.loop.seed": (0, 1, 2, 3),
}


def main() -> None:
    """Writes the runs and says how to look at them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_runs", description=__doc__)
    parser.add_argument("folder", type=Path, help="where mlflow.db is written")
    parser.add_argument("--num", type=int, default=30, help="reproductions (30)")
    args = parser.parse_args()
    folder = args.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(args.num):
        fabricate(folder, number)
    print(f"MLFLOW_TRACKING_URI={ProjectPaths(folder).database} python -m pipeline.ui")


def fabricate(folder: Path, number: int) -> None:
    """Writes a reproduction; every ninth failed while it trained."""
    draws = random.Random(number)
    keys = draws.sample(list(SEARCHED), k=number % 3)
    changes = {key: draws.choice(SEARCHED[key]) for key in keys}
    text = ", ".join(f"{key}={value}" for key, value in changes.items())
    tags = {CHANGES: text, "git.commit": f"{number:040x}", "git.dirty": str(bool(text)).lower()}
    last = 2 if number % 9 == 8 else len(STAGES)
    with tempfile.TemporaryDirectory() as project:
        write_params(Path(project), ROOT, changes)
        for stage in STAGES[:last]:
            artifacts = str(ProjectPaths(folder).artifacts)
            database = ProjectPaths(folder).database
            request = RunRequest(
                database, artifacts, stage, f"{number:012x}", f"{number:012x}", tags
            )
            address = request.open()
            tracker = MlflowTracker(address)
            tracker.set_headlines(headlines(stage))
            cfg = load_config(stage, Path(project))
            tracker.log_params({stage: cfg.model_dump(mode="json")})
            tracker.log_choices({stage: choices(cfg)})
            _report(tracker, stage, draws)
            is_failed = last < len(STAGES) and stage == STAGES[last - 1]
            close_run(address, "FAILED" if is_failed else "FINISHED")


def _report(tracker: MlflowTracker, stage: str, draws: random.Random) -> None:
    """Curves, pictures and numbers of a stage."""
    quality = draws.lognormvariate(0, 0.3)
    branches = {"pretrain": ("2d",), "imitate": ("2d", "3d")}.get(stage, ())
    if stage == "prepare":
        tracker.log_metrics({"num_train": 1000, "num_val": 256, "num_rejected": 0}, 0)
    for tick in range(1, NUM_TICKS + 1) if branches else ():
        nimg, fall = 2500 * tick, math.exp(-tick / 5)
        noise = draws.gauss(0, 0.05)
        metrics = {"loss/G": 0.7 + fall + noise, "loss/D": 1.2 - fall / 3 - noise}
        metrics["speed/images_per_second"] = 40 + draws.gauss(0, 2)
        for branch in branches:
            worse = 1 + 3 * (branch == "3d")
            metrics[f"val/{branch}/fd_random_conv"] = worse * quality * (0.8 + 8 * fall) + noise
            metrics[f"val/{branch}/warp_psnr_at_0.2"] = 26 + 4 * worse - 6 * fall + noise
        tracker.log_metrics(metrics, nimg)
        if tick % 4 == 0:
            tracker.log_image("samples", _picture(len(branches), tick / NUM_TICKS), nimg)
    if stage == "evaluate":
        numbers = {"2d/fd_lite0": 1400, "3d/fd_lite0": 2000, "floor/fd_lite0": 95}
        numbers |= {
            "2d/fd_random_conv": 0.85,
            "3d/fd_random_conv": 6.1,
            "floor/fd_random_conv": 0.4,
        }
        tracker.log_metrics({name: quality * value for name, value in numbers.items()}, 30000)
        psnr = {"2d/warp_psnr_at_0.2": 28, "3d/warp_psnr_at_0.2": 33}
        tracker.log_metrics({name: value / quality**0.1 for name, value in psnr.items()}, 30000)


def _picture(num_branches: int, progress: float) -> Image.Image:
    """A grid that grows lighter; a colour per branch."""
    picture = Image.new("RGB", (320 * num_branches, 256))
    for branch in range(num_branches):
        color = tuple(int(progress * value) for value in ((230, 200, 170), (170, 200, 230))[branch])
        picture.paste(color, (320 * branch, 0, 320 * branch + 316, 256))
    return picture


if __name__ == "__main__":
    main()
