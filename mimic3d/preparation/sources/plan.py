"""Plans of datasets: each source of `prepare` lists its tasks, split by split."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from mimic3d.cameras import Scene
from mimic3d.data.schema import Normalization, Subjects
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.sample import Rejected, Sample
from mimic3d.preparation.sources.render_sample import RenderTask
from mimic3d.preparation.sources.render_tasks import list_render_tasks, render_all
from mimic3d.preparation.sources.synthetic import Renderer, SyntheticConfig
from mimic3d.synthetic.scene import SYNTHETIC_SCENE

Task = TypeVar("Task")


@dataclass(frozen=True)
class DatasetPlan(Generic[Task]):
    """Tasks of a dataset, and the facts that its manifest states of them."""

    tasks: list[tuple[str, Task]]
    """Split of each image, and the task that makes it."""
    make: Callable[[Sequence[Task]], Iterator[Sequence[Sample | Rejected]]]
    """Makes the samples of every task, in their order, whatever other tasks are asked for too."""
    scene: Scene
    resize_filter: str
    licence: str
    rejected: list[Rejected] = field(default_factory=list)
    """Images left out before any work."""
    normalization: Normalization | None = None
    """Similarity applied to cameras of a foreign frame."""
    gates: GatesConfig | None = None
    """Gates of the images as a whole; null for rendered ones."""
    max_duplicate_bits: int | None = None
    """Difference in the hashes of near copies, bits; null where like views are wanted."""
    files: dict[str, str] = field(default_factory=dict)
    """Further files of the dataset's folder: contents by name."""
    subjects: Subjects | None = None
    """The procedural subjects that are shown."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the manifest."""
    mirrored_copies: dict[str, str] = field(default_factory=dict)
    """Images that are mirrored copies of others, and these."""


def plan_synthetic(cfg: SyntheticConfig, seed: int, resolution: int) -> DatasetPlan[RenderTask]:
    """Plan of one shot per image; a subject belongs to one split only."""
    return DatasetPlan(
        tasks=list_render_tasks(cfg, seed, resolution),
        make=partial(_render, renderer=cfg.renderer),
        scene=SYNTHETIC_SCENE,
        resize_filter="none",
        licence="CC0: procedural, no third-party material",
        subjects=Subjects(
            kind=cfg.kind, seed=seed, background=cfg.background, specular=cfg.specular
        ),
    )


def _render(tasks: Sequence[RenderTask], renderer: Renderer) -> Iterator[Sequence[Sample]]:
    """Rendered images, one per task."""
    return ([sample] for sample in render_all(tasks, renderer))


def choose_splits(identities: Sequence[str], val_share: float, seed: int) -> list[str]:
    """Train or val for every image; all images of an identity are on one side."""
    known = sorted(set(identities))
    order = np.random.default_rng([seed, len(known)]).permutation(len(known))
    held_out = {known[index] for index in order[: math.floor(len(known) * val_share)]}
    return ["val" if identity in held_out else "train" for identity in identities]


def below(raw: Path, path: str, key: str) -> Path:
    """A path within data/raw/, which DVC watches.

    Raises:
        ValueError: It leads elsewhere, or nowhere.
    """
    relative = Path(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(
            f"{key} must be a path below {raw}, which DVC watches, is {path}; link it there"
        )
    if not (raw / relative).exists():
        raise ValueError(
            f"{key} must be a file or folder below {raw}, {raw / relative} does not exist; put or "
            f"link it there"
        )
    return raw / relative
