"""From the number of a subject to a finished sample. Imports no torch unless it renders with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from mimic3d.data.images import encode_png, sha256_of
from mimic3d.preparation.pose import PoseResult
from mimic3d.preparation.sample import Sample
from mimic3d.synthetic.catalog import KINDS, KindName, identity_of
from mimic3d.synthetic.identity import UNMOVED, Identity, Mood
from mimic3d.synthetic.render import Background, Session, Views


@dataclass(frozen=True)
class Shot:
    """One image to render."""

    image_id: str
    key: tuple[int, ...]
    """Seed of the subject and its place in the dataset: the same key is the same subject."""
    pose: PoseResult
    """The camera to render with."""
    resolution: int
    background: Background
    depth_where_empty: float | None
    """Depth of rays that hit nothing; None to keep neither depth nor alpha."""
    kind: KindName = "heads"
    mood: Mood = UNMOVED
    specular: float = 0.0
    """Strength of highlights."""
    label: PoseResult | None = None
    """The camera to write down; None for `pose`."""
    truth: tuple[float, ...] = ()
    """True yaw and pitch of the camera, rad; written down after the factors of the subject."""


def factor_names(kind: KindName) -> tuple[str, ...]:
    """What the numbers in the column `factors` are."""
    return (*identity_of((0,), kind).factors(), "yaw_rad", "pitch_rad")


def take_shot(shot: Shot) -> Sample:
    """Renders one image in NumPy; the result depends on nothing but the shot."""
    identities = [identity_of(shot.key, shot.kind, shot.mood)]
    views = _session([shot], identities).shoot()
    return _finish(shot, identities[0], views, 0)


def take_shots(shots: Sequence[Shot], device: str) -> list[Sample]:
    """Renders images of one kind and size together, in torch.

    Each is the image of `take_shot` but for rounding.
    """
    import torch

    identities = [identity_of(shot.key, shot.kind, shot.mood) for shot in shots]
    with torch.inference_mode():
        views = _session(shots, identities).on(device).shoot()
    pairs = zip(shots, identities, strict=True)
    return [_finish(shot, one, views, index) for index, (shot, one) in enumerate(pairs)]


def _session(shots: Sequence[Shot], identities: Sequence[Identity]) -> Session:
    first = shots[0]
    return Session.prepare(
        KINDS[first.kind],
        identities,
        np.stack([shot.pose.cam2world for shot in shots]),
        np.stack([shot.pose.intrinsics for shot in shots]),
        first.resolution,
        first.background,
        first.specular,
    )


def _finish(shot: Shot, identity: Identity, views: Views, index: int) -> Sample:
    image = np.ascontiguousarray(views.images[index])
    arrays: list[UInt8[np.ndarray, "..."] | Float32[np.ndarray, "..."]] = [image]
    mask = depth_bytes = None
    if shot.depth_where_empty is not None:
        depth, alpha = views.depth[index], views.alpha[index]
        empty = np.float32(shot.depth_where_empty)
        depth = np.where(np.isfinite(depth), depth, empty).astype("<f4")
        mask, depth_bytes = encode_png(alpha), depth.tobytes()
        arrays += [alpha, depth]
    return Sample(
        image_id=shot.image_id,
        identity="-".join(str(part) for part in shot.key),
        image=encode_png(image),
        pixels_sha256=sha256_of(*arrays),
        pose=shot.label or shot.pose,
        source="synthetic",
        source_sha256="",
        estimator="synthetic",
        factors=(*identity.factors().values(), *shot.truth),
        mask=mask,
        depth=depth_bytes,
    )
