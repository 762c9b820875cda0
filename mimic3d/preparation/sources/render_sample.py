"""Rendering of one subject to a finished sample. Imports no torch unless it renders with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from mimic3d.data.images import encode_png, sha256_of
from mimic3d.preparation.pose import PoseResult
from mimic3d.preparation.sample import Sample
from mimic3d.synthetic.catalog import KINDS, SubjectName, identity_of
from mimic3d.synthetic.identity import NO_POSE_BIAS, Identity, PoseBias
from mimic3d.synthetic.render import Background, RenderedViews, SubjectRenderer


@dataclass(frozen=True)
class RenderTask:
    """Image to render."""

    image_id: str
    key: tuple[int, ...]
    """Seed of the subject and its place in the dataset: the same key is the same subject."""
    pose: PoseResult
    """The camera to render with."""
    resolution: int
    background: Background
    depth_where_empty: float | None
    """Depth of rays that hit nothing; None to keep neither depth nor alpha."""
    kind: SubjectName = "heads"
    pose_bias: PoseBias = NO_POSE_BIAS
    specular: float = 0.0
    """Strength of highlights."""
    label: PoseResult | None = None
    """The camera to write down; None for `pose`."""
    truth: tuple[float, ...] = ()
    """True yaw and pitch of the camera, rad; written down after the factors of the subject."""


def factor_names(kind: SubjectName) -> tuple[str, ...]:
    """Names of the numbers in the column `factors`."""
    return (*identity_of((0,), kind).factors(), "yaw_rad", "pitch_rad")


def render_sample(task: RenderTask) -> Sample:
    """Renders one image in NumPy; the result depends on nothing but the task."""
    identities = [identity_of(task.key, task.kind, task.pose_bias)]
    views = _renderer([task], identities).render()
    return _finish(task, identities[0], views, 0)


def render_samples(tasks: Sequence[RenderTask], device: str) -> list[Sample]:
    """Renders images of one kind and size together, in torch.

    Each is the image of `render_sample` but for rounding.
    """
    import torch

    identities = [identity_of(task.key, task.kind, task.pose_bias) for task in tasks]
    with torch.inference_mode():
        views = _renderer(tasks, identities).on(device).render()
    pairs = zip(tasks, identities, strict=True)
    return [_finish(task, one, views, index) for index, (task, one) in enumerate(pairs)]


def _renderer(tasks: Sequence[RenderTask], identities: Sequence[Identity]) -> SubjectRenderer:
    first = tasks[0]
    return SubjectRenderer.build(
        KINDS[first.kind],
        identities,
        np.stack([task.pose.cam2world for task in tasks]),
        np.stack([task.pose.intrinsics for task in tasks]),
        first.resolution,
        first.background,
        first.specular,
    )


def _finish(task: RenderTask, identity: Identity, views: RenderedViews, index: int) -> Sample:
    image = np.ascontiguousarray(views.images[index])
    arrays: list[UInt8[np.ndarray, "..."] | Float32[np.ndarray, "..."]] = [image]
    mask = depth_bytes = None
    if task.depth_where_empty is not None:
        depth, alpha = views.depth[index], views.alpha[index]
        empty = np.float32(task.depth_where_empty)
        depth = np.where(np.isfinite(depth), depth, empty).astype("<f4")
        mask, depth_bytes = encode_png(alpha), depth.tobytes()
        arrays += [alpha, depth]
    return Sample(
        image_id=task.image_id,
        identity="-".join(str(part) for part in task.key),
        image=encode_png(image),
        pixels_sha256=sha256_of(*arrays),
        pose=task.label or task.pose,
        source="synthetic",
        source_sha256="",
        estimator="synthetic",
        factors=(*identity.factors().values(), *task.truth),
        mask=mask,
        depth=depth_bytes,
    )
