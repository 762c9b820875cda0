"""Ground truth from any camera: what a perfect generator of a synthetic dataset would render."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.data.schema import SPLITS, Subjects
from mimic3d.parallel import count_workers, ordered_map
from mimic3d.synthetic.catalog import KINDS, identity_of
from mimic3d.synthetic.identity import Identity
from mimic3d.synthetic.render import BATCH_PIXELS, RenderedViews, SubjectRenderer
from mimic3d.synthetic.scene import SYNTHETIC_SCENE

SMALL = 32  # pixels; views up to this side are rendered together on a CPU, larger ones singly
SMALL_BATCH = 32  # views
HELD_OUT = SPLITS.index("eval_multiview")
OTHERS = len(SPLITS)  # the number of no split

Task = tuple[tuple[Identity, ...], Float32[np.ndarray, "n 4 4"], Float32[np.ndarray, "n 3 3"]]


@dataclass(frozen=True)
class TrueViews:
    """Images in [-1, 1], distances along rays (far where nothing is hit), alpha in 0..1."""

    images: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 h w"]
    alpha: Float[Tensor, "n 1 h w"]


def held_out_subject(subjects: Subjects, number: int) -> Identity:
    """A subject that no training image shows; the first ones are those of eval_multiview."""
    return identity_of((subjects.seed, HELD_OUT, number), subjects.kind)


def other_subject(subjects: Subjects, number: int) -> Identity:
    """A subject that is in none of the dataset's splits."""
    return identity_of((subjects.seed, OTHERS, number), subjects.kind)


def render_true_views(
    identities: Sequence[Identity], cameras: Cameras, resolution: int, subjects: Subjects
) -> TrueViews:
    """One view of each subject by the camera of the same number, on the cameras' device.

    Many views are rendered on all cores, or by torch where the cameras are on a GPU: the pixels are
    the same but for rounding.
    """
    device = cameras.cam2world.device
    poses, intrinsics = cameras.cam2world.cpu().numpy(), cameras.intrinsics.cpu().numpy()
    batch = SMALL_BATCH if resolution <= SMALL else 1
    if device.type != "cpu":
        batch = max(1, BATCH_PIXELS // resolution**2)
    tasks: list[Task] = [
        (
            tuple(identities[first : first + batch]),
            poses[first : first + batch],
            intrinsics[first : first + batch],
        )
        for first in range(0, len(identities), batch)
    ]
    render = functools.partial(
        _render, subjects=subjects, resolution=resolution, device=str(device)
    )
    workers = count_workers(len(tasks)) if device.type == "cpu" else 1
    views = list(ordered_map(render, tasks, workers))
    images, depth, alpha = (
        torch.from_numpy(np.concatenate([getattr(view, name) for view in views])).to(device)
        for name in ("images", "depth", "alpha")
    )
    return TrueViews(
        images.permute(0, 3, 1, 2) / 127.5 - 1,
        torch.where(depth.isfinite(), depth, SYNTHETIC_SCENE.far)[:, None],
        alpha[:, None] / 255,
    )


def _render(task: Task, subjects: Subjects, resolution: int, device: str) -> RenderedViews:
    renderer = SubjectRenderer.build(
        KINDS[subjects.kind], *task, resolution, subjects.background, subjects.specular
    )
    return (renderer if device == "cpu" else renderer.on(device)).render()
