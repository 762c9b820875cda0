"""Ground-truth renderings of procedural heads, as the multi-view metrics look at them."""

import numpy as np
import torch

from mimic3d.cameras import Cameras, orbit_cameras
from mimic3d.data.poses.synthetic import SYNTHETIC_SCENE as SCENE
from mimic3d.data.synthetic.catalog import KINDS
from mimic3d.data.synthetic.render import Background, Session
from mimic3d.data.synthetic.studio import identity_of
from mimic3d.metrics.views import PosedView


def render(seeds, cameras: Cameras, resolution, background: Background = "constant") -> PosedView:
    """One view of each head by the camera of the same number; empty rays see `far`."""
    identities = [identity_of((seed,)) for seed in seeds]
    together = 32 if resolution <= 32 else 1  # what is fastest on one core
    shots = []
    for first in range(0, len(seeds), together):
        some = slice(first, first + together)
        cam2world, intrinsics = cameras.cam2world[some].numpy(), cameras.intrinsics[some].numpy()
        session = Session.prepare(
            KINDS["heads"], identities[some], cam2world, intrinsics, resolution, background
        )
        shots.append(session.shoot())
    images, depth, alpha = (
        torch.from_numpy(np.concatenate([getattr(shot, name) for shot in shots]))
        for name in ("images", "depth", "alpha")
    )
    return PosedView(
        images.permute(0, 3, 1, 2) / 127.5 - 1,
        torch.where(depth.isfinite(), depth, SCENE.far)[:, None],
        alpha[:, None] / 255,
        cameras,
    )


def orbit(seeds, yaw, resolution, background: Background = "constant", pitch=0.0) -> PosedView:
    """The heads from a yaw each, or all from the same one."""
    yaws = torch.as_tensor(yaw, dtype=torch.float32).expand(len(seeds))
    cameras = orbit_cameras(yaws, torch.full((len(seeds),), pitch), SCENE)
    return render(seeds, cameras, resolution, background)
