"""A training run, shared by `pretrain` and `imitate`: resume, train, report, publish."""

import csv
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from accelerate import Accelerator
from PIL import Image
from torch import nn

from mimic3d.atomic import atomic_file, atomic_folder
from mimic3d.data.dataset import Batch, ImageDataset
from mimic3d.evaluation.monitor import explain_missing
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import SnapshotMeta, load_meta, save_snapshot
from mimic3d.training.augment import Augment, AugmentConfig
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import HaltedError, LoopConfig, Tick, train
from mimic3d.training.nonfinite import NonFiniteError
from mimic3d.training.phases import Phase
from mimic3d.training.sampler import draw_indices
from mimic3d.training.state import Progress, load_state, save_state
from pipeline.preemption import PreemptedError, listening
from pipeline.project import ProjectPaths
from pipeline.tracking.tracker import Tracker
from pipeline.training_state import StateFolder, TrainingIdentity
from stages.monitoring import SnapshotSelector
from stages.renderer import set_renderer
from stages.training_states import open_state

HEADLINES = (
    *("loss/G", "loss/D", "loss/G_patch", "loss/imitation", "augment/p"),
    *(f"val/[23]d/{name}" for name in ("fd_*", "swd", "warp_psnr_*", "flow_residual")),
)
"""Numbers of the last tick and measurement that DVC compares (fnmatch); the tables have all."""
NEWEST = "samples.png"  # among the reports: the newest picture while a stage trains, then the last


@dataclass(frozen=True)
class TrainingRun:
    """Training run: its inputs, outputs and networks."""

    stage: str
    root: Path
    tracker: Tracker
    accelerator: Accelerator
    dataset: ImageDataset
    loop: LoopConfig
    ema: EmaConfig
    phases: list[Phase]
    networks: dict[str, nn.Module]
    """Networks by the names of their files: G, G_ema, D, in `imitate` D_patch, with ADA augment."""
    optimizers: dict[str, torch.optim.Optimizer]
    selector: SnapshotSelector
    meta: SnapshotMeta
    draw_samples: Callable[[Generator], Image.Image]
    """Picture of samples of G_ema."""

    @property
    def paths(self) -> ProjectPaths:
        """Paths of its states and results."""
        return ProjectPaths(self.root)


def build_augment(cfg: AugmentConfig) -> dict[str, Augment]:
    """The augmentation under the name of its file; nothing if it is off."""
    return {"augment": Augment(cfg)} if cfg.enabled else {}


def run_training(run: TrainingRun, identity: TrainingIdentity) -> None:
    """Train from the newest state of this identity to the budget, and publish the results.

    All that a run makes gathers in its state folder; runs/<stage> and reports/<stage> come at the
    end, whole. Only the main process writes. What was trained to the budget before is published.
    """
    with open_state(
        run.stage, run.paths.root, run.tracker, run.accelerator, identity, run.loop.total_nimg
    ) as state:
        if state.continued_from:
            meta = run.meta.model_copy(update={"continued_from": tuple(state.continued_from)})
            run = replace(run, meta=meta)
            run.tracker.set_tags({"continued_from": ", ".join(state.continued_from)})
        _train(run, state)


def _train(run: TrainingRun, state: StateFolder) -> None:
    folder, is_main = state.path, run.accelerator.is_main_process
    progress = load_state(folder, run.networks, run.optimizers)
    generators = [run.networks[name] for name in ("G", "G_ema")]
    backend = set_renderer(
        generators, run.loop.renderer, run.accelerator.device, progress, run.stage, is_main
    )
    run.tracker.set_tags(
        {
            "state": str(folder),
            "monitor.images": run.selector.images,
            "dataset_fingerprint": run.dataset.manifest.fingerprint,
            "renderer": backend.name,
            "renderer.reason": backend.reason,
        }
    )
    rows = progress.history + progress.monitor
    run.tracker.repeat_metrics([(int(row["nimg"]), _metrics(row)) for row in rows])
    if is_main and progress.nimg == 0:
        _draw(run, folder, 0)
    with listening() as is_halted, _ends_explained(run, folder, progress):
        for tick in _timed_ticks(run, progress, is_halted):
            if is_main:
                _report(run, tick)
            if run.selector.is_due(tick, progress.monitor):
                _measure(run, folder, progress)
            if is_main and tick.is_snapshot:
                _draw(run, folder, tick.nimg)
                save_state(folder, progress, run.networks, run.optimizers, run.meta)
                run.selector.prune(folder, progress.monitor)
                run.tracker.sync.push(folder)
    if is_main:
        _publish(run, folder, progress)
        state.mark_finished(run.loop.total_nimg)
    run.accelerator.wait_for_everyone()


@contextmanager
def _ends_explained(run: TrainingRun, folder: Path, progress: Progress) -> Iterator[None]:
    """Saves a training that was asked to end; keeps the last state of one that went wrong.

    Raises:
        PreemptedError: the state is saved, and the same command goes on from there.
        ValueError: losses or gradients were not finite for too long.
    """
    try:
        yield
    except HaltedError as halted:
        progress.nimg, progress.sums = halted.nimg, halted.sums
        if run.accelerator.is_main_process:
            save_state(folder, progress, run.networks, run.optimizers, run.meta)
            run.tracker.sync.push(folder)
        run.accelerator.wait_for_everyone()  # the first process to leave takes the others along
        raise PreemptedError(f"{run.stage} was asked to end, its state is saved") from None
    except NonFiniteError as error:
        raise ValueError(
            f"{run.stage}.{error}; the last state in {folder} is intact: lower a learning rate, or "
            f"set {run.stage}.loop.precision to float32"
        ) from None


def _timed_ticks(
    run: TrainingRun, progress: Progress, is_halted: Callable[[], bool]
) -> Iterator[Tick]:
    """Ticks with the speed since the tick before; keeps `progress` up to date."""
    G, G_ema = run.networks["G"], run.networks["G_ema"]
    assert isinstance(G, Generator)
    start = time.monotonic()
    ticks = train(
        run.phases, _loader(run), G, G_ema, run.accelerator, run.loop, run.ema, progress.nimg,
        progress.sums, is_halted,
    )  # fmt: skip
    for tick in ticks:
        seconds = time.monotonic() - start
        tick.stats["speed/images_per_second"] = (tick.nimg - progress.nimg) / seconds
        if G.backend.name == "fused":
            tick.stats["speed/torch_renders"] = float(G.backend.fallbacks.total())
        if run.accelerator.device.type == "cuda":
            tick.stats["speed/gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
        progress.nimg, progress.sums = tick.nimg, {}
        progress.history.append({"nimg": tick.nimg, **_reproducible(tick.stats)})
        yield tick
        start = time.monotonic()


def _reproducible(stats: dict[str, float]) -> dict[str, float]:
    """Statistics that a run on the same machine would repeat bit for bit: all but the speed."""
    return {name: value for name, value in stats.items() if not name.startswith("speed/")}


def _metrics(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "nimg"}


def _loader(run: TrainingRun) -> Callable[[int, int], Batch]:
    weights = run.dataset.weights
    uneven = weights if weights.max() > weights.min() else None

    def load(start: int, num: int) -> Batch:
        indices = draw_indices(len(run.dataset), run.loop.seed, start, num, uneven)
        batch, device = run.dataset.batch(indices), run.accelerator.device
        return Batch(batch.image.to(device), batch.c.to(device))

    return load


def _report(run: TrainingRun, tick: Tick) -> None:
    run.tracker.log_metrics(tick.stats, tick.nimg)
    shown = [f"{name.removeprefix('loss/')} {tick.stats[name]:.3f}" for name in _losses(tick.stats)]
    speed = f"{tick.stats['speed/images_per_second']:.1f} img/s"
    text = f"{run.stage} {' '.join(shown)} {speed}"
    run.tracker.progress(tick.nimg / 1000, run.loop.total_nimg / 1000, text)


def _measure(run: TrainingRun, folder: Path, progress: Progress) -> None:
    """Measures G_ema; all processes take part and know the result, the main one reports it."""
    done, total = progress.nimg / 1000, run.loop.total_nimg / 1000
    is_main = run.accelerator.is_main_process
    if is_main:
        run.tracker.progress(done, total, f"{run.stage} measuring G_ema")
    row = run.selector.measure(progress.nimg, run.networks["G_ema"])
    progress.monitor.append(row)
    if is_main:
        run.tracker.log_metrics(_metrics(row), progress.nimg)
        for sentence in explain_missing(_metrics(row)):
            print(f"{run.stage} at {done:g} kimg: {sentence}", flush=True)
        run.selector.save_if_best(folder, progress.monitor, run.meta, run.networks)


def _losses(stats: dict[str, float]) -> list[str]:
    return [name for name in ("loss/G", "loss/D", "loss/imitation") if name in stats]


def _draw(run: TrainingRun, folder: Path, nimg: int) -> None:
    G_ema = run.networks["G_ema"]
    assert isinstance(G_ema, Generator)
    picture = run.draw_samples(G_ema)
    with atomic_file(folder / "samples" / f"nimg-{nimg:09d}.png") as path:
        picture.save(path)
    with atomic_file(run.paths.reports(run.stage) / NEWEST) as path:  # for people who wait
        picture.save(path)
    run.tracker.log_image("samples", picture, nimg)


def _publish(run: TrainingRun, folder: Path, progress: Progress) -> None:
    published = run.paths.results(run.stage)
    selected = run.selector.selected(folder, progress.monitor)
    with atomic_folder(published) as tmp:
        if selected is None:
            meta = run.meta.model_copy(update={"nimg": progress.nimg})
            save_snapshot(tmp / "snapshot", meta, run.networks)
        else:
            shutil.copytree(selected, tmp / "snapshot")
        shutil.copytree(folder / "samples", tmp / "samples")
    nimg = load_meta(published / "snapshot").nimg
    with atomic_folder(run.paths.reports(run.stage)) as tmp:
        _write_rows(tmp / "losses.csv", progress.history)
        _write_rows(tmp / "monitor.csv", progress.monitor)
        metrics: dict[str, dict[str, float]] = {"snapshot": {"nimg": nimg}}
        for name, rows in (("last_tick", progress.history), ("monitor", progress.monitor)):
            if rows and (chosen := _headlines(rows[-1])):
                metrics[name] = chosen
        shutil.copy(max((folder / "samples").iterdir()), tmp / NEWEST)
        (tmp / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    run.tracker.log_snapshot(published / "snapshot", nimg)


def _headlines(row: dict[str, float]) -> dict[str, float]:
    return {
        name: value
        for name, value in row.items()
        if any(fnmatchcase(name, pattern) for pattern in HEADLINES)
    }


def _write_rows(path: Path, rows: list[dict[str, float]]) -> None:
    """A line per tick or measurement; what was not taken or could not be has an empty cell."""
    names = ["nimg", *sorted({name for row in rows for name in row} - {"nimg"})]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
