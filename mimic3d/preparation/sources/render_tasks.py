"""Render tasks of all images of a synthetic dataset, and their rendering in order."""

import functools
from collections.abc import Iterator, Sequence

import torch

from mimic3d.data.schema import EVAL_YAWS_RAD, SPLITS
from mimic3d.parallel import count_workers, ordered_map
from mimic3d.preparation.sample import Sample
from mimic3d.preparation.sources.render_sample import RenderTask, render_sample, render_samples
from mimic3d.preparation.sources.synthetic import Renderer, SyntheticConfig, SyntheticPoses
from mimic3d.synthetic.render import BATCH_PIXELS
from mimic3d.synthetic.scene import SYNTHETIC_SCENE

GPU_WORKERS = 4  # processes that share a GPU, so that one encodes images while another renders


def list_render_tasks(
    cfg: SyntheticConfig, seed: int, resolution: int
) -> list[tuple[str, RenderTask]]:
    """Render tasks, one per image, and their splits; a subject belongs to one split only."""
    poses = SyntheticPoses(cfg, seed, resolution)
    tasks = []
    for number, split in enumerate(SPLITS):
        is_eval = split == "eval_multiview"
        views = len(EVAL_YAWS_RAD) if is_eval else 1
        for index, image_id in enumerate(poses.splits[split]):
            task = RenderTask(
                image_id=image_id,
                key=(seed, number, index // views),
                pose=poses.pose(image_id),
                resolution=resolution,
                background=cfg.background,
                depth_where_empty=SYNTHETIC_SCENE.far if is_eval else None,
                kind=cfg.kind,
                pose_bias=poses.pose_bias(image_id),
                specular=cfg.specular,
                label=poses.label(image_id),
                truth=poses.angles(image_id),
            )
            tasks.append((split, task))
    return tasks


def render_all(tasks: Sequence[RenderTask], renderer: Renderer) -> Iterator[Sample]:
    """Samples in the order of the tasks, by NumPy on all cores or by torch in batches.

    Neither depends on the number of processes; they differ by rounding.
    """
    has_gpu = torch.cuda.is_available()
    if renderer == "numpy" or (renderer == "auto" and not has_gpu):
        yield from ordered_map(render_sample, tasks, count_workers(len(tasks)))
        return
    take = functools.partial(render_samples, device="cuda" if has_gpu else "cpu")
    num = max(1, BATCH_PIXELS // tasks[0].resolution ** 2)
    batches = [tasks[first : first + num] for first in range(0, len(tasks), num)]
    workers = min(GPU_WORKERS, len(batches)) if has_gpu else 1
    for samples in ordered_map(take, batches, workers):
        yield from samples
