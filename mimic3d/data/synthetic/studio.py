"""From the number of a head to a finished sample. Imports no torch: it runs in worker processes."""

from dataclasses import dataclass

import numpy as np

from mimic3d.data.poses.protocol import PoseResult
from mimic3d.data.sample import Sample, encode_png, sha256_of
from mimic3d.data.synthetic.identity import Identity, sample_identity
from mimic3d.data.synthetic.render import Background, Photographer


@dataclass(frozen=True)
class Shot:
    """One image to render."""

    image_id: str
    key: tuple[int, ...]
    """Seed of the head and its place in the dataset: the same key is the same head."""
    pose: PoseResult
    resolution: int
    background: Background
    depth_where_empty: float | None
    """Depth of rays that hit nothing; None to keep neither depth nor alpha."""


def identity_of(key: tuple[int, ...]) -> Identity:
    """The head of a key."""
    return sample_identity(np.random.default_rng(list(key)))


def take_shot(shot: Shot) -> Sample:
    """Renders one image; the result depends on nothing but the shot."""
    identity = identity_of(shot.key)
    camera = shot.pose.cam2world, shot.pose.intrinsics
    view = Photographer(identity, *camera, shot.resolution, shot.background).shoot()
    truth = {}
    arrays = [view.image]
    if shot.depth_where_empty is not None:
        empty = np.float32(shot.depth_where_empty)
        depth = np.where(np.isfinite(view.depth), view.depth, empty).astype("<f4")
        truth = {"mask": encode_png(view.alpha), "depth": depth.tobytes()}
        arrays += [view.alpha, depth]
    return Sample(
        image_id=shot.image_id,
        identity="-".join(str(part) for part in shot.key),
        image=encode_png(view.image),
        pixels_sha256=sha256_of(*arrays),
        pose=shot.pose,
        source="synthetic",
        source_sha256="",
        estimator="synthetic",
        factors=identity.factors(),
        **truth,
    )
